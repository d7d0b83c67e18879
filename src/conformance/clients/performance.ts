/**
 * One case, played for one client: the runtime that the client talks to, and the judgement of what the client does.
 *
 * (Y1) What a case does not say is done as it should be: handshakes, pings, resumes, and the agent `report`.
 * (Y2) A frame that comes again under its id, or a command under its key, is the same command (RFC 0001 §6.4).
 * (Y3) Everything that waits has an end, and what comes is bounded (L7).
 */
import { randomBytes } from 'node:crypto';
import type { WebSocket } from 'ws';
import { Changes } from '../run/changes.js';
import type { ScenarioFailure } from '../run/player.js';
import { Transcript } from '../run/transcript.js';
import { isMap, mismatch, shown, type JsonMap } from '../scenarios/matcher.js';
import type { DialectName } from '../scenarios/scenario.js';
import { actOf, dialectOf, type Act } from './acts.js';
import type { ClientCase, RuntimeEvent, RuntimeStep } from './case.js';
import * as frames from './frames.js';
import type { Refusal, ToldJob } from './frames.js';
import { ToldSession } from './told-session.js';

/** Acts that a client may do in one case. */
const MAX_ACTS = 100_000;
/** Connections that a client may make in one case. */
const MAX_CONNECTIONS = 200;
/** How long after its report a client may still do what is awaited of it. */
const AFTER_REPORT_MS = 300;
/** How long what must not be done is watched for, after the report. */
const STILL_MS = 50;

export interface Patience {
  /** For one act that is awaited. */
  readonly stepMs: number;
  /** From the end of what the runtime does to the report. */
  readonly reportMs: number;
}

/** One connection of the client. */
interface Link {
  readonly name: string;
  readonly socket: WebSocket;
  session: ToldSession | undefined;
  silent: boolean;
}

class Disappointment extends Error {}

export class Performance {
  readonly case: ClientCase;
  /** In which dialect the client speaks, once it has spoken. */
  dialect: DialectName | undefined;
  /** As the client calls itself. */
  client: string | undefined;
  readonly #transcript = new Transcript([], () => Date.now());
  readonly #changes = new Changes();
  readonly #acts: Act[] = [];
  readonly #commands = new Map<string, ToldJob>();
  #cursor = 0;
  #connections = 0;
  #opens = 0;
  #live: Link | undefined;
  #session: ToldSession | undefined;
  #play: ToldJob | undefined;
  #report: unknown;
  #reported = false;
  #fault: string | undefined;
  #resume: { readonly link: Link; readonly act: Act } | undefined;
  /** How many resumes the case answers itself. */
  #resumesLeft: number;
  #nextId = 0;

  constructor(clientCase: ClientCase) {
    this.case = clientCase;
    this.#resumesLeft = clientCase.runtime.filter((step) => answersResume(step)).length;
  }

  /** A connection of the client. */
  attach(socket: WebSocket): void {
    this.#connections += 1;
    const number = this.#connections;
    const link: Link = { name: `client ${number}`, socket, session: undefined, silent: false };
    if (number > MAX_CONNECTIONS) {
      this.#blame(`it connects more than ${MAX_CONNECTIONS} times`);
      socket.terminate();
      return;
    }
    this.#transcript.note(link.name, 'connected');
    socket.on('message', (data: Buffer, isBinary) => {
      const text = data.toString('utf8');
      this.#transcript.frame('←', link.name, text);
      const frame = isBinary ? undefined : objectOf(text);
      if (frame === undefined) this.#blame('it sends what is not a JSON object in a text frame');
      else if (this.#acts.length >= MAX_ACTS) this.#blame(`it does more than ${MAX_ACTS} things`);
      else this.#did(link, frame, actOf(frame, number));
      this.#changes.announce();
    });
    socket.on('close', (code) => {
      this.#transcript.note(link.name, `closed with ${code}`);
      if (this.#live === link) this.#live = undefined;
      this.#changes.announce();
    });
    socket.on('error', (error) => {
      this.#transcript.note(link.name, `error: ${error.message}`);
    });
  }

  /** What a program that is the client says of itself: into the transcript. */
  note(text: string): void {
    this.#transcript.note('program', text);
  }

  /** Waits for the client, plays, and judges; nothing when all is right. */
  async judged({ stepMs, reportMs }: Patience): Promise<ScenarioFailure | undefined> {
    let place = 'the handshake';
    try {
      if (this.case.runtime.length > 0) {
        const play = await this.#until(() => this.#play, stepMs);
        if (play === undefined) throw new Disappointment('it does not invoke the agent play');
      }
      for (const [index, step] of this.case.runtime.entries()) {
        place = `runtime[${index}]`;
        await this.#do(step, stepMs);
      }
      place = 'report';
      const reported = await this.#until(() => (this.#reported ? true : undefined), reportMs);
      if (reported === undefined) throw new Disappointment('it does not report what came of play');
      const reason = mismatch(this.case.report, this.#report, 'report');
      if (reason !== undefined) throw new Disappointment(reason);
      await this.#changes.until(() => undefined, STILL_MS);
      this.#judgeActs();
      return undefined;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { step: place, message, transcript: this.#transcript.lines() };
    }
  }

  /** Lets go of the client's connections. */
  end(): void {
    this.#live?.socket.terminate();
  }

  #judgeActs(): void {
    for (const { of, is } of this.case.counts) {
      const count = this.#acts.filter((act) => mismatch(of, act) === undefined).length;
      const reason = mismatch(is, count, `the number of acts like ${shown(of)}`);
      if (reason !== undefined) throw new Disappointment(reason);
    }
    for (const act of this.#acts) {
      if (this.case.never.some((matcher) => mismatch(matcher, act) === undefined))
        throw new Disappointment(`it must not do this: ${shown(act)}`);
    }
  }

  /** (Y3) Like `Changes.until`, and an end at the first thing that no client may do. */
  async #until<T>(look: () => T | undefined, ms: number): Promise<T | undefined> {
    const found = await this.#changes.until(() => (this.#fault === undefined ? look() : this.#fault), ms);
    if (this.#fault !== undefined) throw new Disappointment(this.#fault);
    return found as T | undefined;
  }

  #blame(fault: string): void {
    this.#fault ??= fault;
    this.#changes.announce();
  }

  #did(link: Link, frame: JsonMap, act: Act): void {
    if (link.session === undefined) {
      const resuming = act.act === 'resume';
      this.dialect ??= dialectOf(frame);
      if (resuming) this.#asksToResume(link, act);
      else if (act.act === 'open') this.#opensSession(link, frame, act);
      else this.#blame(`its first frame is ${act.type}, and no handshake`);
      return;
    }
    link.session.confirm();
    // (Y2)
    const key = typeof act['key'] === 'string' ? `key ${act['key']}` : act.id;
    const known = this.#commands.get(act.id) ?? this.#commands.get(key);
    if (act.act === 'invoke' && known !== undefined) return;
    this.#acts.push(act);
    if (act.act === 'ping' && !link.silent)
      this.#send(link, frames.pong(act.type, link.session.id, act.id, act['nonce']));
    else if (act.act === 'close') {
      this.#send(link, { type: 'session.closed', session_id: link.session.id, payload: {} });
    } else if (act.act === 'list') {
      const payload = { request_id: act.id, jobs: [], next_cursor: null };
      const answer = { type: 'session.jobs', session_id: link.session.id, payload };
      this.#send(link, this.#dialect === 'draft' ? answer : { ...answer, correlation_id: act.id });
    } else if (act.act === 'invoke') {
      const trace = frame['trace_id'];
      const job: ToldJob = {
        jobId: `job_${randomBytes(9).toString('hex')}`,
        agent: String(act['agent']),
        traceId: typeof trace === 'string' && trace !== '' ? trace : randomBytes(16).toString('hex'),
        commandId: act.id,
      };
      this.#commands.set(act.id, job);
      this.#commands.set(key, job);
      this.#invoked(job, act['arguments']);
    }
  }

  #invoked(job: ToldJob, args: unknown): void {
    if (job.agent === 'report') {
      if (!this.#reported) this.#report = args;
      this.#reported = true;
      this.#runThrough(job, null);
    } else if (job.agent !== 'play') {
      const message = 'only play and report are hosted';
      this.#tell(job, { failed: { code: 'AGENT_NOT_AVAILABLE', message, retryable: false } });
    } else if (this.#play === undefined) this.#play = job;
    else this.#runThrough(job, 'play is over: this is another run of it');
  }

  #runThrough(job: ToldJob, value: unknown): void {
    this.#tell(job, { accepted: true });
    this.#tell(job, { started: true });
    this.#tell(job, { completed: { value } });
  }

  #opensSession(link: Link, frame: JsonMap, act: Act): void {
    this.#acts.push(act);
    this.#opens += 1;
    const payload = isMap(frame['payload']) ? frame['payload'] : {};
    const client = isMap(payload['client']) ? payload['client'] : {};
    this.client = `${String(client['name'] ?? client['kind'])} ${String(client['version'])}`;
    if (this.dialect === undefined || dialectOf(frame) !== this.dialect) {
      this.#blame('it opens sessions in two dialects');
      return;
    }
    if (this.case.refuse_open !== undefined && this.#opens === 1) {
      this.#send(link, frames.refusedHandshake(this.#dialect, act.id, this.case.refuse_open));
      link.socket.close(1008);
      return;
    }
    const session = new ToldSession();
    this.#session = session;
    this.#begin(link, session);
    this.#send(link, frames.welcome(this.#dialect, session.id, session.token, act.id));
  }

  #asksToResume(link: Link, act: Act): void {
    const session = this.#session;
    const shownToken = act['resume_token'];
    const token = session?.accepts(shownToken) === true ? 'valid' : 'invalid';
    const { resume_token: _, ...rest } = act;
    const kept: Act = { ...rest, token };
    this.#acts.push(kept);
    if (session === undefined || token === 'invalid') {
      const message = 'no session is resumed by this token';
      this.#refuse(link, act, { code: 'RESUME_WINDOW_EXPIRED', message, retryable: false });
      return;
    }
    this.#resume = { link, act: kept };
    // (Y1)
    if (this.#resumesLeft === 0) this.#grantResume(undefined);
  }

  #refuse(link: Link, act: Act, refusal: Refusal): void {
    this.#send(link, frames.refusedHandshake(this.#dialect, act.id, refusal));
  }

  #grantResume(from: number | undefined): void {
    const { link, act } = this.#lastResume();
    const session = this.#session;
    if (session === undefined) throw new Disappointment('there is no session to resume');
    const after = from ?? (typeof act['after'] === 'number' ? act['after'] : 0);
    session.rotate();
    this.#begin(link, session);
    const answer = frames.resumed(this.#dialect, session.id, session.token, { commandId: act.id, after });
    this.#send(link, answer);
    for (const text of session.after(after)) this.#sendText(link, text);
  }

  #lastResume(): { readonly link: Link; readonly act: Act } {
    const resume = this.#resume;
    if (resume === undefined) throw new Disappointment('it has not asked to resume');
    this.#resume = undefined;
    return resume;
  }

  /** The link is the session's from now on; another one that was is closed. */
  #begin(link: Link, session: ToldSession): void {
    link.session = session;
    const before = this.#live;
    this.#live = link;
    if (before !== undefined && before !== link) before.socket.close(1000);
  }

  get #dialect(): DialectName {
    return this.dialect ?? 'classic';
  }

  async #do(step: RuntimeStep, stepMs: number): Promise<void> {
    const play = this.#play as ToldJob;
    if ('tell' in step) this.#tellStep(step, play);
    else if ('again' in step) this.#sendAll(this.#session?.latest(step.again) ?? []);
    else if ('flood' in step) {
      for (let current = 1; current <= step.flood; current++) this.#tell(play, { progress: current });
    } else if ('refuse_nothing' in step) {
      const id = `msg_${randomBytes(9).toString('hex')}`;
      if (this.#live?.session !== undefined)
        this.#send(this.#live, frames.refused(this.#dialect, this.#live.session.id, id, step.refuse_nothing));
    } else if ('text' in step) this.#sendAll([textOf(step.text)]);
    else if ('bytes' in step) this.#live?.socket.send(Buffer.from(step.bytes, 'hex'));
    else if ('ping' in step) {
      if (this.#live?.session !== undefined)
        this.#send(this.#live, frames.ping(this.#dialect, this.#live.session.id, step.ping));
    } else if ('drop' in step) this.#leave((socket) => socket.terminate());
    else if ('close' in step) this.#leave((socket) => socket.close(step.close));
    else if ('silence' in step) {
      if (this.#live !== undefined) this.#live.silent = true;
    } else if ('deaf_ms' in step) {
      const socket = this.#live?.socket;
      socket?.pause();
      await this.#changes.until(() => undefined, step.deaf_ms);
      socket?.resume();
    } else if ('wait_ms' in step) await this.#changes.until(() => undefined, step.wait_ms);
    else if ('await' in step) await this.#await(step.await, stepMs);
    else if ('resume' in step) {
      this.#resumesLeft -= 1;
      this.#grantResume(step.resume.after);
    } else {
      this.#resumesLeft -= 1;
      const { link, act } = this.#lastResume();
      this.#session = undefined;
      this.#refuse(link, act, step.refuse_resume);
    }
  }

  #leave(how: (socket: WebSocket) => void): void {
    const link = this.#resume?.link ?? this.#live;
    this.#resume = undefined;
    if (link === undefined) return;
    if (this.#live === link) this.#live = undefined;
    this.#transcript.note(link.name, 'the runtime ends the connection');
    how(link.socket);
  }

  async #await(matcher: unknown, stepMs: number): Promise<void> {
    const next = (): Act | undefined => {
      while (this.#cursor < this.#acts.length) {
        const act = this.#acts[this.#cursor++] as Act;
        if (mismatch(matcher, act) === undefined) return act;
      }
      return undefined;
    };
    const found = await this.#until(() => next() ?? (this.#reported ? 'reported' : undefined), stepMs);
    const act = found === 'reported' ? await this.#until(next, AFTER_REPORT_MS) : found;
    if (act === undefined) throw new Disappointment(`it does nothing like ${shown(matcher)}`);
  }

  #tellStep(step: Extract<RuntimeStep, { tell: unknown }>, play: ToldJob): void {
    if (step.astray !== undefined) {
      const stranger = { ...play, jobId: 'job_stranger', commandId: 'msg_stranger' };
      const frame = frames.jobEvent(this.#dialect, step.tell, stranger, now());
      const text = this.#enveloped({ ...frame, session_id: 'sess_stranger', event_seq: step.astray });
      this.#sendAll([JSON.stringify(text)]);
      return;
    }
    this.#tell(play, step.tell, {
      withhold: step.withhold === true,
      embellished: step.embellished === true,
    });
  }

  #tell(job: ToldJob, event: RuntimeEvent, how: { withhold?: boolean; embellished?: boolean } = {}): void {
    const session = this.#session;
    // Nobody is there to be told, and the session is gone.
    if (session === undefined) return;
    const plain = this.#enveloped(frames.jobEvent(this.#dialect, event, job, now()));
    const frame = how.embellished === true ? embellished(plain) : plain;
    const text = frames.isNumbered(this.#dialect, event)
      ? session.numbered(frame)
      : JSON.stringify({ ...frame, session_id: session.id });
    if (how.withhold !== true) this.#sendAll([text]);
  }

  #enveloped(frame: JsonMap): JsonMap {
    this.#nextId += 1;
    const head = { arcp: '1.1', id: `msg_case_${this.#nextId}` };
    return this.#dialect === 'draft' ? { ...head, ...frame } : { ...head, timestamp: now(), ...frame };
  }

  #send(link: Link, frame: JsonMap): void {
    this.#sendText(link, JSON.stringify(this.#enveloped(frame)));
  }

  /** To the connection that the session has now, if any. */
  #sendAll(texts: readonly string[]): void {
    const link = this.#live;
    if (link !== undefined && !link.silent) for (const text of texts) this.#sendText(link, text);
  }

  #sendText(link: Link, text: string): void {
    this.#transcript.frame('→', link.name, text);
    if (link.socket.readyState === link.socket.OPEN) link.socket.send(text);
  }
}

function answersResume(step: RuntimeStep): boolean {
  return 'resume' in step || 'refuse_resume' in step;
}

function embellished(frame: JsonMap): JsonMap {
  const payload = isMap(frame['payload']) ? frame['payload'] : {};
  return { ...frame, humour: 'dry', payload: { ...payload, humour: ['dry', 1, null] } };
}

function textOf(text: Extract<RuntimeStep, { text: unknown }>['text']): string {
  if (typeof text === 'string') return text;
  return text.parts
    .map((part) => (typeof part === 'string' ? part : part.repeat.repeat(part.times)))
    .join('');
}

function now(): string {
  return new Date().toISOString();
}

function objectOf(text: string): JsonMap | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMap(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
