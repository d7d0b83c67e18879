import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createReporter, isLive, LiveReporter, PlainReporter } from '../../src/cli/reporter.js';
import { accepted, charged, jobEvent } from './job-events.js';

/** A terminal that keeps what is on it: enough of one for what the reporter writes. */
class FakeTerminal {
  readonly isTTY = true;
  readonly columns: number = 60;
  readonly rows: number = 12;
  raw = '';
  lines: string[] = [''];

  write(text: string): boolean {
    this.raw += text;
    for (const part of text.split(/(\u001b\[\??\d*[A-Za-z]|\n|\r)/)) {
      const up = /^\u001b\[(\d+)A$/.exec(part);
      if (up !== null) this.lines.length = Math.max(1, this.lines.length - Number(up[1]));
      else if (part === '\u001b[0J') this.lines[this.lines.length - 1] = '';
      else if (part === '\n') this.lines.push('');
      else if (!part.startsWith('\u001b') && part !== '\r')
        this.lines.push(`${this.lines.pop() ?? ''}${part}`);
    }
    return true;
  }

  get shown(): string[] {
    return this.lines.map((line) => line.replace(/ {2,}/g, '  ').trimEnd()).filter((line) => line !== '');
  }
}

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('on a terminal', () => {
  it('the tree is drawn over itself as it changes, and time goes on without events', () => {
    const terminal = new FakeTerminal();
    const reporter = new LiveReporter('job_root', terminal, { NO_COLOR: '1' });
    reporter.event(accepted('root', 'report@1'));
    vi.advanceTimersByTime(100);
    expect(terminal.shown).toEqual(['· report@1  accepted  0.1 s']);
    reporter.event(jobEvent('job.started', 'root'));
    reporter.event(accepted('a', 'stats@1', 'root'));
    vi.advanceTimersByTime(100);
    expect(terminal.shown).toEqual(['▸ report@1  0.2 s', '└─ · stats@1  accepted  0.1 s']);
    vi.advanceTimersByTime(5_000);
    expect(terminal.shown[0]).toMatch(/▸ report@1 {2}(4|5)\.\d s/);
    reporter.end();
  });

  it('a size that nobody told it (0 × 0) counts as 80 × 24', () => {
    const terminal = new FakeTerminal();
    const reporter = new LiveReporter('job_root', Object.assign(terminal, { columns: 0, rows: 0 }), {
      NO_COLOR: '1',
    });
    reporter.event(accepted('root', 'report@1'));
    reporter.end();
    expect(terminal.shown).toEqual(['· report@1  accepted  0.0 s']);
  });

  it('what is said, and what others write, stays above the tree', () => {
    const terminal = new FakeTerminal();
    const reporter = new LiveReporter('job_root', terminal, { NO_COLOR: '1' });
    reporter.event(accepted('root', 'report@1'));
    reporter.event(jobEvent('log', 'root', { level: 'warn', message: 'careful' }));
    reporter.around(() => terminal.write('a line of the result\n'));
    reporter.event(jobEvent('job.completed', 'root', { summary: 'done' }));
    reporter.end();
    reporter.end();
    expect(terminal.shown).toEqual(['warn: careful', 'a line of the result', '✓ report@1  done  0.0 s']);
  });

  it('the cursor is hidden while the tree is drawn, and shown again at the end', () => {
    const terminal = new FakeTerminal();
    const before = process.listenerCount('exit');
    const reporter = new LiveReporter('job_root', terminal, {});
    expect(terminal.raw).toContain('\u001b[?25l');
    expect(process.listenerCount('exit')).toBe(before + 1);
    reporter.end();
    expect(terminal.raw.endsWith('\u001b[?25h')).toBe(true);
    expect(process.listenerCount('exit')).toBe(before);
  });

  it('there is colour unless NO_COLOR says otherwise', () => {
    const drawn = (env: NodeJS.ProcessEnv): string => {
      const terminal = new FakeTerminal();
      const reporter = new LiveReporter('job_root', terminal, env);
      reporter.event(accepted('root', 'report@1'));
      reporter.end();
      return terminal.raw;
    };
    expect(drawn({})).toContain('\u001b[2m');
    expect(drawn({ NO_COLOR: '1' })).not.toMatch(/\u001b\[\d+m/);
  });
});

describe('elsewhere', () => {
  it('there is a line for whatever matters, with progress at most once a second', () => {
    let text = '';
    const reporter = new PlainReporter('job_root', { write: (more) => (text += more) });
    reporter.event(accepted('root', 'report@1'));
    reporter.event(accepted('a', 'stats@1', 'root'));
    for (let current = 1; current <= 10; current += 1) {
      reporter.event(jobEvent('job.progress', 'a', { current, total: 10, units: 'files' }));
      vi.advanceTimersByTime(250);
    }
    reporter.event(charged('a', '0.1', 'USD'));
    reporter.event(jobEvent('job.failed', 'a', { code: 'INTERNAL', message: 'no luck' }));
    reporter.event(jobEvent('job.completed', 'root', { summary: 'done' }));
    reporter.end();
    expect(text.split('\n')).toEqual([
      'job_root report@1  accepted',
      '  job_a stats@1  accepted',
      '  job_a stats@1  1/10 files',
      '  job_a stats@1  5/10 files',
      '  job_a stats@1  9/10 files',
      '  job_a stats@1  failed after 2.5 s  INTERNAL: no luck',
      'job_root report@1  completed after 2.5 s  done',
      'spent  stats@1  0.1 USD',
      '',
    ]);
  });

  it('means: no terminal, a dumb one, or a build server', () => {
    const terminal = new FakeTerminal();
    expect(isLive(terminal, {})).toBe(true);
    expect(isLive(terminal, { TERM: 'dumb' })).toBe(false);
    expect(isLive(terminal, { CI: 'true' })).toBe(false);
    expect(createReporter('job_root', { write: () => true }, {})).toBeInstanceOf(PlainReporter);
  });
});
