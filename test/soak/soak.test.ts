/**
 * Law L7 over time, on a real server in a process of its own with its log in a file: a reader that stops reading costs
 * places and no text, and sessions that are over cost nothing.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ask } from '../../bench/ipc.mjs';
import { connect } from '../../src/client/index.js';

const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 60);
const SESSIONS = Number(process.env['SOAK_SESSIONS'] ?? 10_000);
const PER_SECOND = 10_000;
const MIB = 1024 * 1024;
/** What a paused reader may cost: the soft limit of its connection, and two small numbers an event. */
const PAUSED_READER_BYTES = 8 * MIB + SECONDS * PER_SECOND * 32;
/** What may be left of ten thousand sessions: the noise of a heap that was in use. */
const LEFT_BYTES = 8 * MIB;
/** Sessions that are open at the same time while they come and go. */
const AT_ONCE = 100;

let server: ChildProcess;
let folder: string;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-soak-'));
  server = fork(join(import.meta.dirname, 'server.mjs'), [join(folder, 'data')], {
    execArgv: ['--expose-gc'],
  });
  port = Number(await ask(server, 'port'));
});

afterEach(async () => {
  const exited = once(server, 'exit');
  server.disconnect();
  await exited;
  rmSync(folder, { recursive: true, force: true });
});

const heap = async (): Promise<number> => Number(await ask(server, 'heap'));
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
const report = (text: string): void => void process.stderr.write(`${text}\n`);

/** A client of the bare protocol that can stop reading its socket. */
class Reader {
  readonly #socket: WebSocket;
  readonly #seen: number[] = [];
  #onEvent: () => void = () => undefined;

  constructor() {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}`);
    this.#socket.on('message', (data: Buffer) => {
      const { event_seq: seq } = JSON.parse(data.toString()) as { event_seq?: number };
      if (seq === undefined) return;
      this.#seen.push(seq);
      this.#onEvent();
    });
  }

  async open(): Promise<void> {
    await once(this.#socket, 'open');
    const auth = { scheme: 'bearer', token: 'soak' };
    this.#send('session.open', { auth, client: { kind: 'soak', version: '1' }, capabilities: {} });
  }

  invoke(tool: string, args: unknown): void {
    this.#send('tool.invoke', { tool, arguments: args });
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  async until(count: number): Promise<void> {
    while (this.#seen.length < count) await new Promise<void>((resolve) => (this.#onEvent = resolve));
  }

  /** Whether event `n` was the `n`-th. */
  get isInOrder(): boolean {
    return this.#seen.every((seq, index) => seq === index + 1);
  }

  close(): void {
    this.#socket.close();
  }

  #send(type: string, payload: unknown): void {
    const id = `msg_${crypto.randomUUID()}`;
    this.#socket.send(
      JSON.stringify({ arcp: '1.1', id, type, timestamp: new Date().toISOString(), payload }),
    );
  }
}

it(`a reader that pauses for ${SECONDS} s under ${PER_SECOND} events a second costs little, and others nothing`, async () => {
  const reader = new Reader();
  await reader.open();
  const other = await connect(`ws://127.0.0.1:${port}`, { token: 'soak' });
  await (await other.invoke('echo', 'warm')).result();
  const before = await heap();
  reader.invoke('talker', { perSecond: PER_SECOND, seconds: SECONDS });
  await reader.until(100);
  reader.pause();
  const latencies: number[] = [];
  let most = 0;
  const until = Date.now() + SECONDS * 1_000;
  while (Date.now() < until) {
    const asked = performance.now();
    await (await other.invoke('echo', 'still here')).result();
    latencies.push(performance.now() - asked);
    most = Math.max(most, await heap());
    await sleep(1_000);
  }
  latencies.sort((a, b) => a - b);
  const median = latencies[latencies.length >>> 1] ?? Infinity;
  report(`heap before ${mib(before)}, at most ${mib(most)}; others waited ${median.toFixed(1)} ms (median)`);
  expect(most - before).toBeLessThan(PAUSED_READER_BYTES);
  reader.resume();
  const total = PER_SECOND * SECONDS + 3;
  await reader.until(total);
  expect(reader.isInOrder).toBe(true);
  report(`${total} events read in order after the pause`);
  reader.close();
  await other.close();
});

it(`${SESSIONS} sessions that were opened and closed leave nothing behind`, async () => {
  const open = async (): Promise<void> => {
    const client = await connect(`ws://127.0.0.1:${port}`, { token: 'soak' });
    await client.ping();
    await client.close();
  };
  for (let warm = 0; warm < AT_ONCE; warm += 1) await open();
  const before = await heap();
  for (let opened = 0; opened < SESSIONS; opened += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, open));
  }
  const after = await heap();
  report(`heap before ${mib(before)}, after ${mib(after)}`);
  expect(after - before).toBeLessThan(LEFT_BYTES);
});
