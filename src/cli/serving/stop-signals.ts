import { EXIT } from '../exit-codes.js';

/** The first signal asks for an orderly stop; any further one ends the process at once. */
export class StopSignals {
  readonly first: Promise<void>;

  constructor() {
    this.first = new Promise((resolve) => {
      let asked = false;
      const ask = (): void => {
        if (asked) process.exit(EXIT.interrupted);
        asked = true;
        resolve();
      };
      process.on('SIGINT', ask);
      process.on('SIGTERM', ask);
      process.on('SIGHUP', ask);
      // Started by another program with a channel to it: when that program is gone, nobody is left to stop this one.
      if (process.channel !== undefined) process.once('disconnect', ask);
    });
  }
}
