// Compiles src/ into a fresh folder and puts that in the place of dist/, so that nothing of an earlier layout is shipped
// and a build that fails or is interrupted leaves the earlier one as it was.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';

if (process.stderr.isTTY) process.stderr.write('building dist/ …\n');
// The compiler gets the signal too: this process lives on to clean up behind it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

try {
  process.exitCode = await build(mkdtempSync('.dist-'));
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`cannot build dist/ in ${process.cwd()}: ${reason}\n`);
  process.exitCode = 1;
}

/** @param {string} fresh */
async function build(fresh) {
  try {
    const options = ['-p', 'src', '--outDir', fresh];
    const tsc = spawn(process.execPath, ['node_modules/typescript/bin/tsc', ...options], {
      stdio: 'inherit',
    });
    await once(tsc, 'exit');
    if (tsc.exitCode !== 0) return tsc.exitCode ?? 1;
    chmodSync(fresh, 0o755);
    if (existsSync(`${fresh}/cli/main.js`)) chmodSync(`${fresh}/cli/main.js`, 0o755);
    replace('dist', fresh);
    return 0;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/**
 * @param {string} folder
 * @param {string} fresh
 */
function replace(folder, fresh) {
  if (!existsSync(folder)) {
    renameSync(fresh, folder);
    return;
  }
  const old = `${fresh}-old`;
  renameSync(folder, old);
  try {
    renameSync(fresh, folder);
  } catch (error) {
    renameSync(old, folder);
    throw error;
  }
  rmSync(old, { recursive: true, force: true });
}
