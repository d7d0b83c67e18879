/**
 * Plays one scenario at one runtime.
 *
 * (Y1) Every step has a deadline; every scenario has its own connections, ids and names, so that any number of them can
 *      be played side by side.
 * (Y2) A standing rule that is broken fails the scenario at the step that notices, and else at its end.
 * (Y3) Whatever happens, the connections are closed and the jobs that still run are told to stop.
 */
import { createHash } from 'node:crypto';
import { filled, instantOf } from '../scenarios/variables.js';
import { isMap, mismatch, shown, type JsonMap, type Matcher } from '../scenarios/matcher.js';
import type { DialectName, Scenario, SingleStep, Step } from '../scenarios/scenario.js';
import { Connection, type Frame } from './connection.js';
import {
  greeting,
  isPongTo,
  isWelcome,
  leaveTaking,
  ping,
  pongTo,
  resumption,
  type Hello,
} from './dialect-frames.js';
import { SessionHistory, StandingRules } from './standing-rules.js';
import { Transcript } from './transcript.js';

export interface Target {
  readonly url: string;
  /** The secrets of the two principals; without, the first is anonymous. */
  readonly tokens: Readonly<{ a?: string; b?: string }>;
  /** Of one step. */
  readonly timeoutMs: number;
}

export interface Played {
  readonly ms: number;
  readonly failure?: ScenarioFailure;
}

export interface ScenarioFailure {
  /** Like `steps[3]`. */
  readonly step: string;
  readonly message: string;
  /** The one requirement that is broken, where a standing rule says which. */
  readonly requirement?: string;
  readonly transcript: readonly string[];
}

/** A session as one client sees it, over all of its connections. */
interface Seat {
  readonly dialect: DialectName;
  readonly hello: Hello;
  readonly history: SessionHistory;
  sessionId: string;
  resumeToken: string;
  /** The last event that a step has read: what came after it is as if it were lost. */
  lastRead: number;
}

/** What a step says when what it asks for does not hold. */
class Disappointment extends Error {
  readonly requirement: string | undefined;
  constructor(message: string, requirement?: string) {
    super(message);
    this.requirement = requirement;
  }
}

/** Told of every frame that came, in order, by the name of its connection. */
export type HearFrame = (connection: string, frame: JsonMap) => void;

export async function play(
  scenario: Scenario,
  target: Target,
  run: string,
  hear: HearFrame = () => undefined,
): Promise<Played> {
  const player = new Player(scenario, target, run, hear);
  const began = Date.now();
  const failure = await player.play();
  return { ms: Date.now() - began, ...(failure === undefined ? {} : { failure }) };
}

class Player {
  readonly #scenario: Scenario;
  readonly #target: Target;
  readonly #transcript: Transcript;
  readonly #connections = new Map<string, Connection>();
  /** Those that gave their name to another one. */
  readonly #former: Connection[] = [];
  readonly #seats = new Map<string, Seat>();
  readonly #dialects = new Map<string, DialectName>();
  readonly #names = new Map<string, unknown>();
  readonly #run: string;
  readonly #hear: HearFrame;
  #frames = 0;

  constructor(scenario: Scenario, target: Target, run: string, hear: HearFrame) {
    this.#scenario = scenario;
    this.#target = target;
    this.#run = run;
    this.#hear = hear;
    const { a = '', b = '' } = target.tokens;
    this.#transcript = new Transcript([a, b], () => Date.now());
  }

  async play(): Promise<ScenarioFailure | undefined> {
    let place = 'steps[0]';
    try {
      for (const [index, step] of this.#scenario.steps.entries()) {
        place = `steps[${index}]`;
        await this.#step(step);
        this.#complain();
      }
      return undefined;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const requirement = error instanceof Disappointment ? error.requirement : undefined;
      return {
        step: place,
        message,
        ...(requirement === undefined ? {} : { requirement }),
        transcript: this.#transcript.lines(),
      };
    } finally {
      await this.#leave();
    }
  }

  /** (Y3) */
  async #leave(): Promise<void> {
    for (const [name, connection] of this.#connections) {
      const seat = this.#seats.get(name);
      if (seat === undefined || !connection.isOpen) continue;
      const running = [...seat.history.accepted].filter((id) => !seat.history.ended.has(id));
      for (const frame of leaveTaking(seat.dialect, running))
        connection.sendJson(this.#envelope(frame, name));
    }
    await Promise.all([...this.#connections.values(), ...this.#former].map((one) => one.close()));
  }

  /** (Y2) */
  #complain(): void {
    for (const { violations, fault } of [...this.#connections.values(), ...this.#former]) {
      const [violation] = violations;
      if (violation !== undefined) throw new Disappointment(violation.message, violation.requirement);
      if (fault !== undefined) throw new Disappointment(fault);
    }
  }

  async #step(step: Step): Promise<void> {
    if (!('repeat' in step)) {
      await this.#single(step);
      return;
    }
    for (let index = 0; index < step.repeat; index += 1) {
      this.#names.set('index', index);
      for (const one of step.steps) await this.#single(one);
    }
  }

  async #single(step: SingleStep): Promise<void> {
    if ('open' in step) return this.#open(step);
    if ('connect' in step) {
      await this.#dial(step.connect, step.dialect ?? this.#scenario.dialect, new SessionHistory());
      return;
    }
    if ('send' in step) {
      this.#send(step);
      return;
    }
    if ('send_text' in step) {
      this.#at(step.on).sendText(String(this.#fill(textOf(step.send_text))));
      return;
    }
    if ('send_bytes' in step) {
      this.#at(step.on).sendBytes(Buffer.from(step.send_bytes, 'hex'));
      return;
    }
    if ('expect' in step) return this.#expect(step);
    if ('expect_all' in step) return this.#expectAll(step.on, step.expect_all);
    if ('expect_nothing' in step) return this.#expectNothing(step);
    if ('absent' in step) return this.#absent(step.on, step.absent);
    if ('count' in step) {
      this.#count(step);
      return;
    }
    if ('drop' in step) return this.#at(step.drop).drop();
    if ('resume' in step) return this.#resume(step);
    if ('expect_close' in step) return this.#expectClose(step.expect_close, step.code);
    if ('wait_ms' in step) {
      await new Promise((resolve) => setTimeout(resolve, step.wait_ms));
      return;
    }
    this.#assemble(step);
  }

  #fill(value: unknown): unknown {
    return filled(value, (name) => this.#lookup(name));
  }

  #lookup(name: string): unknown {
    const instant = instantOf(name, Date.now());
    if (instant !== undefined) return instant;
    if (name === 'run') return this.#run;
    if (name === 'token.a') return this.#target.tokens.a ?? '';
    if (name === 'token.b') return this.#target.tokens.b ?? '';
    if (this.#names.has(name)) return this.#names.get(name);
    const [connection = '', field] = name.split('.');
    const seat = this.#seats.get(connection);
    if (seat === undefined)
      throw new Disappointment(`$${name} means nothing: the step that gives it did not come so far`);
    switch (field) {
      case 'session_id':
        return seat.sessionId;
      case 'resume_token':
        return seat.resumeToken;
      default:
        return seat.lastRead;
    }
  }

  #at(name: string): Connection {
    const connection = this.#connections.get(name);
    if (connection === undefined) throw new Disappointment(`there is no connection ${name}`);
    return connection;
  }

  async #dial(
    name: string,
    dialect: DialectName,
    history: SessionHistory,
    after = 0,
  ): Promise<StandingRules> {
    const former = this.#connections.get(name);
    if (former !== undefined) this.#former.push(former);
    const rules = new StandingRules(dialect, history, after);
    const { url, timeoutMs } = this.#target;
    const connection = await Connection.dial(url, { name, transcript: this.#transcript, rules, timeoutMs });
    this.#connections.set(name, connection);
    this.#dialects.set(name, dialect);
    connection.answerWith((frame) => {
      this.#hear(name, frame);
      const pong = pongTo(frame);
      if (pong !== undefined) connection.sendJson(this.#envelope(pong, name));
    });
    return rules;
  }

  /** With what a frame lacks of an envelope. */
  #envelope(frame: JsonMap, name: string): JsonMap {
    this.#frames += 1;
    const seat = this.#seats.get(name);
    return {
      arcp: '1.1',
      id: `msg_${this.#run}_${this.#frames}`,
      ...(this.#dialects.get(name) === 'draft' ? {} : { timestamp: new Date().toISOString() }),
      ...(seat === undefined ? {} : { session_id: seat.sessionId }),
      payload: {},
      ...frame,
    };
  }

  async #open(step: Extract<SingleStep, { open: string }>): Promise<void> {
    const { open: name, as, dialect = this.#scenario.dialect, capabilities, extensions, features } = step;
    const hello: Hello = { token: this.#target.tokens[as], capabilities, extensions, features };
    const history = new SessionHistory();
    const rules = await this.#dial(name, dialect, history);
    this.#seats.delete(name);
    this.#at(name).sendJson(this.#envelope(greeting(dialect, hello), name));
    await this.#seated(name, { dialect, hello, history, sessionId: '', resumeToken: '', lastRead: 0 }, rules);
  }

  /** Waits to be let in. */
  async #seated(name: string, seat: Seat, rules: StandingRules): Promise<void> {
    const { json } = await this.#next(name, { type: { $any: true } }, isWelcome);
    const payload = isMap(json['payload']) ? json['payload'] : {};
    seat.sessionId = textIn(payload, 'session_id') ?? textIn(json, 'session_id') ?? '';
    seat.resumeToken = textIn(payload, 'resume_token') ?? '';
    rules.belongTo(seat.sessionId);
    this.#seats.set(name, seat);
  }

  async #resume(step: Extract<SingleStep, { resume: string }>): Promise<void> {
    const { resume: name, of = name, by = 'hello' } = step;
    const seat = this.#seats.get(of);
    if (seat === undefined) throw new Disappointment(`${of} has no session to resume`);
    const after = Number(this.#fill(step.after) ?? seat.lastRead);
    const { dialect, hello, sessionId, resumeToken } = seat;
    const rules = await this.#dial(name, dialect, seat.history, after);
    const frame = resumption(dialect, by, { sessionId, resumeToken, after, hello });
    this.#at(name).sendJson(this.#envelope(frame, ''));
    await this.#seated(name, { ...seat, lastRead: after }, rules);
    const resumed = this.#seats.get(name);
    if (resumed?.sessionId === sessionId) return;
    throw new Disappointment(`${sessionId} was resumed, and the answer names ${shown(resumed?.sessionId)}`);
  }

  #send({ send, on, as, bare }: Extract<SingleStep, { send: unknown }>): void {
    const given = this.#fill(send) as JsonMap;
    const frame = bare === true ? given : this.#envelope(given, on);
    this.#at(on).sendJson(frame);
    if (as !== undefined) this.#names.set(as, frame['id']);
  }

  async #expect(step: Extract<SingleStep, { expect?: unknown }>): Promise<void> {
    const { on, save = {} } = step;
    const never = step.never.map((one) => this.#fill(one));
    const { json } = await this.#next(on, this.#fill(step.expect), () => true, never);
    for (const [name, path] of Object.entries(save)) {
      const value = path.split('.').reduce<unknown>((at, key) => (isMap(at) ? at[key] : undefined), json);
      if (value === undefined) throw new Disappointment(`the frame has no ${path}: ${shown(json)}`);
      this.#names.set(name, value);
    }
  }

  /** Reads on to the first frame that matches. */
  async #next(
    name: string,
    matcher: Matcher,
    also: (frame: JsonMap) => boolean,
    never: readonly Matcher[] = [],
  ): Promise<Frame> {
    const connection = this.#at(name);
    let closest: string | undefined;
    const found = await connection.until<Frame | 'broken'>(() => {
      if (connection.violations.length > 0 || connection.fault !== undefined) return 'broken';
      while (connection.cursor < connection.frames.length) {
        const frame = connection.frames[connection.cursor] as Frame;
        connection.cursor += 1;
        this.#read(name, frame.json);
        const reason = mismatch(matcher, frame.json);
        if (reason === undefined && also(frame.json)) return frame;
        if (sameType(matcher, frame.json)) closest = reason;
        for (const one of never) {
          if (mismatch(one, frame.json) === undefined)
            throw new Disappointment(`before ${shown(matcher)} came ${shown(frame.json)}`);
        }
      }
      return connection.end === undefined ? undefined : 'broken';
    }, this.#target.timeoutMs);
    if (found !== undefined && found !== 'broken') return found;
    this.#complain();
    const end =
      connection.end === undefined
        ? `within ${this.#target.timeoutMs} ms`
        : `before the socket closed (${connection.end.code})`;
    const near = closest === undefined ? '' : `; the closest: ${closest}`;
    throw new Disappointment(`expected ${shown(matcher)}, which did not come ${end}${near}`);
  }

  #read(name: string, { event_seq: seq }: JsonMap): void {
    const seat = this.#seats.get(name);
    if (seat !== undefined && typeof seq === 'number') seat.lastRead = Math.max(seat.lastRead, seq);
  }

  async #expectAll(name: string, matchers: readonly Matcher[]): Promise<void> {
    const left = matchers.map((one) => this.#fill(one));
    while (left.length > 0) {
      const { json } = await this.#next(name, left.length === 1 ? left[0] : { $one_of: left }, () => true);
      left.splice(
        left.findIndex((one) => mismatch(one, json) === undefined),
        1,
      );
    }
  }

  async #expectNothing(step: Extract<SingleStep, { expect_nothing?: unknown }>): Promise<void> {
    const connection = this.#at(step.on);
    const matcher = this.#fill(step.expect_nothing);
    const unwanted = await connection.until(
      () => this.#unread(connection).find(({ json }) => mismatch(matcher, json) === undefined),
      step.for_ms,
    );
    if (unwanted !== undefined)
      throw new Disappointment(`expected no such frame, and ${shown(unwanted.json)} came`);
  }

  #unread({ frames, cursor }: Connection): Frame[] {
    return frames.slice(cursor);
  }

  async #absent(name: string, given: Matcher): Promise<void> {
    const connection = this.#at(name);
    const matcher = this.#fill(given);
    this.#frames += 1;
    const nonce = `n${this.#frames}_${this.#run}`;
    const frame = this.#envelope(ping(this.#dialects.get(name) ?? 'classic', nonce), name);
    connection.sendJson(frame);
    const from = connection.cursor;
    await this.#next(name, { type: { $one_of: ['pong', 'session.pong'] } }, (pong) =>
      isPongTo(String(frame['id']), nonce, pong),
    );
    const unwanted = connection.frames
      .slice(from, connection.cursor)
      .find(({ json }) => mismatch(matcher, json) === undefined);
    if (unwanted !== undefined)
      throw new Disappointment(`expected no such frame, and ${shown(unwanted.json)} came`);
  }

  #count({ count, on, is }: Extract<SingleStep, { count?: unknown }>): void {
    const matcher = this.#fill(count);
    const number = this.#at(on).frames.filter(({ json }) => mismatch(matcher, json) === undefined).length;
    const reason = mismatch(this.#fill(is), number, `the number of frames like ${shown(matcher)}`);
    if (reason !== undefined) throw new Disappointment(reason);
  }

  async #expectClose(name: string, code: Matcher): Promise<void> {
    const connection = this.#at(name);
    const end = await connection.until(() => connection.end, this.#target.timeoutMs);
    if (end === undefined)
      throw new Disappointment(
        `expected the socket to be closed, and it was still open after ${this.#target.timeoutMs} ms`,
      );
    const reason = code === undefined ? undefined : mismatch(code, end.code, 'the close code');
    if (reason !== undefined) throw new Disappointment(reason);
  }

  #assemble({ assemble, on, ...wanted }: Extract<SingleStep, { assemble: string }>): void {
    const jobId = this.#fill(assemble);
    const chunks = this.#at(on).frames.flatMap(({ json }): JsonMap[] => chunkOf(json, jobId));
    const bytes = Buffer.concat(
      chunks.map(({ data, encoding }) =>
        Buffer.from(String(data), encoding === 'base64' ? 'base64' : 'utf8'),
      ),
    );
    const made = {
      bytes: bytes.length,
      text: bytes.toString('utf8'),
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
    for (const key of ['bytes', 'text', 'sha256'] as const) {
      const reason =
        wanted[key] === undefined ? undefined : mismatch(wanted[key], made[key], `the result's ${key}`);
      if (reason !== undefined) throw new Disappointment(reason);
    }
  }
}

function textOf(text: Extract<SingleStep, { send_text: unknown }>['send_text']): string {
  if (typeof text === 'string') return text;
  return text.parts
    .map((part) => (typeof part === 'string' ? part : part.repeat.repeat(part.times)))
    .join('');
}

function textIn(map: JsonMap, key: string): string | undefined {
  const value = map[key];
  return typeof value === 'string' ? value : undefined;
}

function sameType(matcher: Matcher, { type }: JsonMap): boolean {
  return isMap(matcher) && matcher['type'] === type;
}

/** The chunk of a result that a frame carries, in either dialect. */
function chunkOf({ type, job_id, payload }: JsonMap, jobId: unknown): JsonMap[] {
  if (job_id !== jobId || !isMap(payload)) return [];
  if (type === 'job.result_chunk') return [payload];
  const { kind, body } = payload;
  return type === 'job.event' && kind === 'result_chunk' && isMap(body) ? [body] : [];
}
