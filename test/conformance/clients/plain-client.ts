/**
 * A client written by hand, for both dialects, that does what is asked of one and no more; and, one by one, the mistakes that
 * clients make. The harness has to let the first pass and to find out every one of the others.
 */
import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import type { DialectName } from '../../../src/conformance/index.js';

export const MISTAKES = {
  'takes-gaps': { does: 'takes what follows a gap for the whole', caughtBy: 'client-gap' },
  'counts-twice': { does: 'counts an event again that comes again', caughtBy: 'client-duplicate' },
  'sorts-chunks': { does: 'puts chunks together as they come', caughtBy: 'client-chunks-order' },
  'decodes-anything': { does: 'takes what does not decode', caughtBy: 'client-chunks-corrupt' },
  'trusts-the-end': { does: 'takes a result without its final chunk', caughtBy: 'client-chunks-unfinished' },
  'last-terminal-wins': {
    does: 'lets a second terminal event replace the first',
    caughtBy: 'client-two-terminals',
  },
  'ignores-terminal': { does: 'waits on after the terminal event', caughtBy: 'client-refused-job' },
  'retries-for-good': { does: 'tries what is not retryable again', caughtBy: 'client-not-retryable' },
  'asks-again': {
    does: 'gives its command again when the answer takes long',
    caughtBy: 'client-late-accept',
  },
  'never-resumes': { does: 'opens a new session when its connection drops', caughtBy: 'client-drop' },
  'runs-again': { does: 'runs a job again whose session is gone', caughtBy: 'client-resume-refused' },
  'resumes-from-zero': {
    does: 'resumes with the token of the first handshake',
    caughtBy: 'client-drop-twice',
  },
  'answers-no-ping': { does: 'answers no ping', caughtBy: 'client-ping' },
  'waits-for-ever': { does: 'never notices that nobody speaks any more', caughtBy: 'client-silence' },
  'dies-of-unknown': {
    does: 'gives up at a kind of event that it does not know',
    caughtBy: 'client-unknown-event',
  },
  'dies-of-garbage': { does: 'gives up at a frame that is no message', caughtBy: 'client-not-json' },
} as const;

export type Mistake = keyof typeof MISTAKES;

type Json = Readonly<Record<string, unknown>>;

/** What a frame says, in either dialect. */
interface Told {
  readonly what: string;
  readonly payload: Json;
}

const DRAFT_KINDS: Readonly<Record<string, string>> = {
  progress: 'progress',
  result_chunk: 'chunk',
  status: 'note',
  log: 'note',
};

const TYPES: Readonly<Record<string, string>> = {
  'session.accepted': 'welcome',
  'session.welcome': 'welcome',
  'session.resumed': 'welcome',
  'session.rejected': 'refused',
  'session.closed': 'closed',
  'job.accepted': 'accepted',
  'job.started': 'note',
  log: 'note',
  'job.progress': 'progress',
  'job.result_chunk': 'chunk',
  'job.completed': 'completed',
  'job.result': 'completed',
  'job.failed': 'failed',
  'job.cancelled': 'cancelled',
  ping: 'ping',
  'session.ping': 'ping',
  pong: 'pong',
  'session.pong': 'pong',
};

/** Silence after which it asks, and as much again until it gives the connection up. */
const SILENCE_MS = 600;
const RETRY_MS = 30;

/** Plays the case at this address and reports; resolves when it is done. */
export async function playPlainly(url: string, dialect: DialectName, mistake?: Mistake): Promise<void> {
  const first = new PlainClient(url, dialect, mistake);
  const outcome = await first.play();
  const report = outcome['outcome'] === 'refused' ? new PlainClient(url, dialect) : first;
  await report.report(outcome);
}

class PlainClient {
  readonly #url: string;
  readonly #dialect: DialectName;
  readonly #mistake: Mistake | undefined;
  #socket: WebSocket | undefined;
  #session: string | undefined;
  #token: string | undefined;
  #seq = 0;
  #command = { id: '', agent: '', args: {} as Json, accepted: false };
  #job: string | undefined;
  readonly #progress: unknown[] = [];
  #chunks: Buffer[] = [];
  #nextChunk = 0;
  #resultId: unknown;
  #final = false;
  #faulty = false;
  #finish: ((outcome: Json) => void) | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #over = false;
  #last: Json | undefined;

  constructor(url: string, dialect: DialectName, mistake?: Mistake) {
    this.#url = url;
    this.#dialect = dialect;
    this.#mistake = mistake;
  }

  async play(): Promise<Json> {
    const outcome = new Promise<Json>((resolve) => (this.#finish = resolve));
    this.#dial();
    this.#command = { id: this.#newId(), agent: 'play', args: {}, accepted: false };
    if (this.#mistake === 'asks-again')
      setTimeout(() => {
        if (!this.#command.accepted && !this.#over) {
          this.#command = { ...this.#command, id: this.#newId() };
          this.#invoke();
        }
      }, 700).unref();
    return outcome;
  }

  async report(args: Json): Promise<void> {
    this.#over = false;
    this.#job = undefined;
    this.#command = { id: this.#newId(), agent: 'report', args, accepted: false };
    const done = new Promise<Json>((resolve) => (this.#finish = resolve));
    if (this.#session === undefined || this.#socket?.readyState !== WebSocket.OPEN) this.#dial();
    else this.#invoke();
    await done;
    this.#over = true;
    clearTimeout(this.#watchdog);
    this.#socket?.close();
  }

  #dial(): void {
    const socket = new WebSocket(this.#url, { maxPayload: 1_572_864, perMessageDeflate: false });
    this.#socket = socket;
    socket.on('open', () => {
      this.#greet();
      this.#heard();
    });
    socket.on('message', (data: Buffer, binary) => {
      if (socket === this.#socket && !binary) this.#read(data.toString());
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') this.#lose('RESOURCE_EXHAUSTED');
    });
    socket.on('close', () => {
      if (socket !== this.#socket || this.#over) return;
      if (this.#mistake === 'never-resumes') this.#session = undefined;
      setTimeout(() => {
        if (!this.#over) this.#dial();
      }, RETRY_MS);
    });
  }

  #greet(): void {
    const resume = { resume_token: this.#token, last_event_seq: this.#seq };
    const resuming = this.#session !== undefined;
    if (this.#dialect === 'draft') {
      this.#send('session.hello', {
        client: { name: 'plain', version: '1' },
        auth: { scheme: 'bearer', token: 'any' },
        capabilities: { encodings: ['json'], features: ['progress', 'result_chunk', 'heartbeat'] },
        ...(resuming ? { resume: { session_id: this.#session, ...resume } } : {}),
      });
    } else if (resuming) this.#send('session.resume', resume);
    else
      this.#send('session.open', {
        client: { kind: 'plain', version: '1' },
        auth: { scheme: 'bearer', token: 'any' },
        capabilities: {},
      });
  }

  #invoke(): void {
    const { id, agent, args } = this.#command;
    if (this.#dialect === 'draft') this.#send('job.submit', { agent, input: args }, { id });
    else this.#send('tool.invoke', { tool: agent, arguments: args }, { id });
  }

  #newId(): string {
    return `msg_${randomUUID()}`;
  }

  #send(type: string, payload: Json, more: Json = {}): void {
    const time = this.#dialect === 'classic' ? { timestamp: new Date().toISOString() } : {};
    const session = this.#session === undefined ? {} : { session_id: this.#session };
    const frame = { arcp: '1.1', id: this.#newId(), type, ...time, ...session, payload, ...more };
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #heard(): void {
    clearTimeout(this.#watchdog);
    if (this.#mistake === 'waits-for-ever') return;
    this.#watchdog = setTimeout(() => {
      if (this.#dialect === 'draft')
        this.#send('session.ping', { nonce: 'there?', sent_at: new Date().toISOString() });
      else this.#send('ping', { nonce: 'there?' });
      this.#watchdog = setTimeout(() => this.#socket?.terminate(), SILENCE_MS);
    }, SILENCE_MS);
  }

  #read(text: string): void {
    this.#heard();
    let frame: Json;
    try {
      frame = JSON.parse(text) as Json;
    } catch {
      if (this.#mistake === 'dies-of-garbage') this.#lose('INTERNAL');
      return;
    }
    const { session_id, event_seq } = frame;
    const told = toldBy(frame);
    if (told === undefined) return;
    if (told.what === 'welcome') {
      const kept = this.#session === session_id;
      if (!kept) this.#seq = 0;
      this.#session = String(session_id);
      const { resume_token } = told.payload;
      if (this.#mistake !== 'resumes-from-zero' || this.#token === undefined)
        this.#token = String(resume_token);
      // A command that was not answered goes out again under its id.
      if (!this.#command.accepted || this.#mistake === 'never-resumes') this.#invoke();
      return;
    }
    if (session_id !== undefined && session_id !== this.#session) return;
    if (typeof event_seq === 'number' && !this.#isNext(event_seq)) return;
    this.#hear(told, frame);
  }

  #isNext(seq: number): boolean {
    if (this.#mistake === 'counts-twice') return true;
    if (seq <= this.#seq) return false;
    const gap = seq !== this.#seq + 1;
    this.#seq = seq;
    if (gap && this.#mistake !== 'takes-gaps') this.#lose('DATA_LOSS');
    return true;
  }

  #hear({ what, payload }: Told, frame: Json): void {
    if (what === 'refused') {
      this.#refused(payload);
      return;
    }
    if (what === 'ping') {
      if (this.#mistake === 'answers-no-ping') return;
      const { nonce } = payload;
      if (this.#dialect === 'draft')
        this.#send('session.pong', { ping_nonce: nonce, received_at: new Date().toISOString() });
      else this.#send('pong', { nonce }, { correlation_id: frame['id'] });
      return;
    }
    if (what === 'unknown') {
      if (this.#mistake === 'dies-of-unknown') this.#lose('INTERNAL');
      return;
    }
    if (!this.#isOurs(what, frame)) return;
    switch (what) {
      case 'accepted':
        this.#command.accepted = true;
        this.#job = String(payload['job_id']);
        break;
      case 'progress':
        if (!this.#over) this.#progress.push(payload['current']);
        break;
      case 'chunk':
        this.#chunk(payload);
        break;
      case 'completed':
        this.#completed(payload);
        break;
      case 'failed':
        this.#failed(payload);
        break;
      case 'cancelled':
        this.#end({ outcome: 'cancelled' });
        break;
      default:
    }
  }

  /** By its job; before that is known, by its command, which the draft does not name. */
  #isOurs(what: string, { job_id, correlation_id }: Json): boolean {
    if (this.#job !== undefined) return job_id === this.#job;
    if (this.#dialect === 'classic') return correlation_id === this.#command.id;
    return what !== 'failed' || job_id !== 'job_stranger';
  }

  #refused({ code, retryable }: Json): void {
    if (this.#session !== undefined && this.#command.agent === 'play') {
      this.#session = undefined;
      this.#token = undefined;
      if (this.#mistake === 'runs-again') {
        this.#command = { ...this.#command, id: this.#newId(), accepted: false };
        this.#job = undefined;
        this.#socket?.terminate();
      } else this.#lose(String(code));
      return;
    }
    if (retryable !== true) this.#socket = undefined;
    this.#end({ outcome: 'refused', code });
  }

  #chunk({ chunk_seq, result_id, data, encoding, more }: Json): void {
    this.#resultId ??= result_id;
    const inOrder = chunk_seq === this.#nextChunk && result_id === this.#resultId && !this.#final;
    if (!inOrder && this.#mistake !== 'sorts-chunks') this.#faulty = true;
    const text = String(data);
    const strict = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
    if (encoding === 'base64' && !strict.test(text) && this.#mistake !== 'decodes-anything')
      this.#faulty = true;
    this.#chunks.push(Buffer.from(text, encoding === 'base64' ? 'base64' : 'utf8'));
    this.#nextChunk += 1;
    this.#final ||= more === false;
  }

  #completed(payload: Json): void {
    if (this.#mistake === 'ignores-terminal') return;
    const bytes = Buffer.concat(this.#chunks);
    const { result_size: size } = payload;
    const started = this.#chunks.length > 0;
    const whole =
      (this.#final || this.#mistake === 'trusts-the-end') && (size === undefined || size === bytes.length);
    if (started && (this.#faulty || !whole)) {
      this.#lose('DATA_LOSS');
      return;
    }
    const value = payload['value'] ?? payload['result'];
    this.#end({
      outcome: 'completed',
      ...(value === undefined ? {} : { value }),
      ...(started ? { text: bytes.toString() } : {}),
    });
  }

  #failed({ code, final_status }: Json): void {
    if (this.#mistake === 'ignores-terminal') return;
    if (this.#mistake === 'retries-for-good' && this.#command.agent === 'play') {
      this.#command = { id: this.#newId(), agent: 'play', args: {}, accepted: false };
      this.#job = undefined;
      this.#invoke();
      return;
    }
    this.#end(final_status === 'cancelled' ? { outcome: 'cancelled' } : { outcome: 'failed', code });
  }

  #lose(code: string): void {
    this.#end({ outcome: 'lost', code });
  }

  #end(outcome: Json): void {
    const finish = (): void => {
      if (this.#over) return;
      this.#over = this.#command.agent === 'play';
      this.#finish?.(this.#command.agent === 'play' ? { ...outcome, progress: this.#progress } : outcome);
    };
    if (this.#mistake !== 'last-terminal-wins' || this.#command.agent !== 'play') finish();
    else {
      this.#last = outcome;
      setTimeout(() => {
        outcome = this.#last ?? outcome;
        finish();
      }, 200);
    }
  }
}

function toldBy(frame: Json): Told | undefined {
  const { type, payload } = frame;
  if (typeof type !== 'string' || typeof payload !== 'object' || payload === null) return undefined;
  const all = payload as Json;
  if (type === 'job.event')
    return { what: DRAFT_KINDS[String(all['kind'])] ?? 'unknown', payload: all['body'] as Json };
  if (type === 'job.error') return { what: 'failed', payload: all };
  if (type === 'session.error') return { what: 'refused', payload: all };
  return { what: TYPES[type] ?? 'unknown', payload: all };
}
