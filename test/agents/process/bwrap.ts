/** Whether processes can be confined on this machine; tests that need it say so where they are skipped. */
import { spawnSync } from 'node:child_process';

export const HAS_WALLS =
  spawnSync('bwrap', ['--unshare-user', '--ro-bind', '/', '/', 'true'], { stdio: 'ignore' }).status === 0;

export const NEEDS_WALLS = HAS_WALLS
  ? ''
  : ' (skipped: bubblewrap is not installed, or may not be used here)';
