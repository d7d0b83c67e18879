// Compiles src/ into a fresh dist/, so that nothing of an earlier layout is shipped.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'src'], {
  stdio: 'inherit',
});
if (existsSync('dist/cli/main.js')) chmodSync('dist/cli/main.js', 0o755);
process.exit(tsc.status ?? 1);
