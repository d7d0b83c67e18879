/** What the jobs' streams of text and thoughts say, a line at a time, for those who want to read along (`--verbose`). */
import type { JobEvent } from '../client/index.js';
import type { Payload } from '../protocol/index.js';
import { printable } from './text.js';

/** Streams that are followed at once; beyond, the oldest is followed no further (law L7). */
const MAX_FOLLOWED = 1_000;
/** Characters of a line; a longer one goes on in the next. */
const MAX_LINE = 2_000;

interface Followed {
  readonly kind: 'text' | 'thought';
  /** The beginning of a line of text that is not whole yet. */
  rest: string;
}

export class SpokenLines {
  readonly #streams = new Map<string, Followed>();

  /** The lines that the event makes whole. What clients stream into jobs is not among them. */
  of(event: JobEvent): string[] {
    const { stream_id: id, source } = event;
    if (id === undefined || source !== undefined) return [];
    const key = `${event.job_id} ${id}`;
    switch (event.type) {
      case 'stream.open':
        this.#begin(key, event.payload.kind);
        return [];
      case 'stream.chunk':
        return this.#said(this.#streams.get(key), event.payload);
      case 'stream.close':
      case 'stream.error': {
        const rest = this.#streams.get(key)?.rest ?? '';
        this.#streams.delete(key);
        return rest === '' ? [] : [lineOf('text', rest)];
      }
      default:
        return [];
    }
  }

  #begin(key: string, kind: string): void {
    if (kind !== 'text' && kind !== 'thought') return;
    this.#streams.set(key, { kind, rest: '' });
    const [oldest] = this.#streams.keys();
    if (this.#streams.size > MAX_FOLLOWED && oldest !== undefined) this.#streams.delete(oldest);
  }

  #said(stream: Followed | undefined, { data, role, redacted }: Payload<'stream.chunk'>): string[] {
    if (stream === undefined) return [];
    if (stream.kind === 'thought') {
      const who = role === undefined ? 'thought' : `thought (${printable(role)})`;
      return linesIn(redacted ? '(held back)' : asText(data)).map((line) => lineOf(who, line));
    }
    const lines = linesIn(`${stream.rest}${asText(data)}`);
    stream.rest = lines.pop() ?? '';
    return lines.map((line) => lineOf('text', line));
  }
}

/** The lines of a text, the last of them whole or not. */
function linesIn(text: string): string[] {
  return text.split(/\r?\n/).flatMap(cut);
}

function cut(line: string): string[] {
  const characters = line.length > MAX_LINE ? Array.from(line) : [];
  if (characters.length <= MAX_LINE) return [line];
  const pieces: string[] = [];
  for (let at = 0; at < characters.length; at += MAX_LINE)
    pieces.push(characters.slice(at, at + MAX_LINE).join(''));
  return pieces;
}

function asText(data: unknown): string {
  return typeof data === 'string' ? data : JSON.stringify(data);
}

function lineOf(who: string, line: string): string {
  return `${who}: ${printable(line)}`;
}
