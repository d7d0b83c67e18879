/** What newline-delimited streams have beyond the common suite: line ends, broken pipes, real processes. */
import { spawn } from 'node:child_process';
import { PassThrough, Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineDecoder } from '../../src/transport/line-decoder.js';
import { streamTransport } from '../../src/transport/stdio.js';
import { CLOSE_CODES } from '../../src/transport/transport.js';
import { Recorder, turns } from './recorder.js';

function listen(options: Parameters<typeof streamTransport>[2] = {}, writable: Writable = new PassThrough()) {
  const input = new PassThrough();
  const transport = streamTransport(input, writable, options);
  const recorder = new Recorder();
  transport.start(recorder);
  return { input, transport, recorder };
}

function failingOutput(code: string): Writable {
  return new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error(`write ${code}`), { code }));
    },
  });
}

describe('lines', () => {
  it('are the same however the bytes are cut, with \\n and \\r\\n and empty lines between', () => {
    const line = fc
      .string({ unit: 'binary', maxLength: 30 })
      .map((text) => JSON.stringify(text.toWellFormed()));
    const ending = fc.constantFrom('\n', '\r\n', '\n\n', '\r\n\r\n\n');
    const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(fc.tuple(line, ending)), cuts, (lines, sizes) => {
        const bytes = Buffer.from(lines.map((parts) => parts.join('')).join(''));
        const decoder = new LineDecoder(1_000);
        const seen: string[] = [];
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const size = sizes[cut % sizes.length] ?? 1;
          expect(decoder.push(bytes.subarray(at, at + size), (text) => seen.push(text))).toBeUndefined();
          at += size;
        }
        expect(seen).toEqual(lines.map(([text]) => text));
        expect(decoder.isMidLine).toBe(false);
      }),
    );
  });

  it('may be as long as the limit, without their line end', () => {
    const decoder = new LineDecoder(5);
    const seen: string[] = [];
    const push = (text: string) => decoder.push(Buffer.from(text), (line) => seen.push(line));
    for (const piece of ['12345\r', '\n1234', '5', '\n12345\n']) expect(push(piece)).toBeUndefined();
    expect(seen).toEqual(['12345', '12345', '12345']);
    expect(push('123456\n')).toMatchObject({ code: 1009 });
  });

  it('are refused as soon as they are too long, before they end', () => {
    const decoder = new LineDecoder(10);
    const none = (): never => expect.unreachable();
    expect(decoder.push(Buffer.from('0123456789'), none)).toBeUndefined();
    expect(decoder.push(Buffer.from('01'), none)).toMatchObject({ code: 1009 });
    expect(decoder.push(Buffer.from('\n"more"\n'), none), 'nothing is read after a refusal').toBeUndefined();
  });
});

describe('a stream transport', () => {
  it('closes with 1007 over a line that is not UTF-8', async () => {
    const { input, recorder } = listen();
    input.write('"fine"\n');
    input.write(Buffer.from([0x22, 0xc3, 0x28, 0x22, 0x0a]));
    expect(await recorder.ended()).toEqual({ code: 1007, reason: 'the line is not valid UTF-8' });
    expect(recorder.frames).toEqual(['"fine"']);
  });

  it('ends with 1006 when the input ends within a line, and does not deliver the half', async () => {
    const { input, recorder } = listen();
    input.end('"whole"\n{"half":');
    expect(await recorder.ended()).toEqual({ code: 1006, reason: 'the input ended within a line' });
    expect(recorder.frames).toEqual(['"whole"']);
  });

  it('writes the frames of one turn in one piece', async () => {
    const written: string[] = [];
    const output = new Writable({
      write(chunk: Buffer, _encoding, done) {
        written.push(chunk.toString());
        done();
      },
    });
    const { transport } = listen({}, output);
    transport.send('1');
    transport.send('2');
    expect(transport.buffered).toBe(4);
    await turns(2);
    transport.send('3');
    await turns(2);
    expect(written).toEqual(['1\n2\n', '3\n']);
  });

  it('still delivers what comes after the other side has stopped reading (EPIPE)', async () => {
    const { input, transport, recorder } = listen({}, failingOutput('EPIPE'));
    transport.send('"lost"');
    await turns(3);
    expect(recorder.ends).toEqual([]);
    transport.send('"ignored"');
    input.end('"last words"\n');
    expect(await recorder.ended()).toEqual({ code: 1000, reason: '' });
    expect(recorder.frames).toEqual(['"last words"']);
  });

  it('ends with 1006 when the other side neither reads nor ends', async () => {
    const { transport, recorder } = listen({ closeTimeoutMs: 1 }, failingOutput('EPIPE'));
    transport.send('"lost"');
    expect(await recorder.ended()).toEqual({ code: 1006, reason: 'write EPIPE' });
  });

  it('closes although the other side never takes what was sent', async () => {
    const stuck = new Writable({ write: () => undefined });
    const { transport, recorder } = listen({ closeTimeoutMs: 1 }, stuck);
    transport.send('"stuck"');
    transport.close(CLOSE_CODES.goingAway, 'enough');
    expect(await recorder.ended()).toEqual({ code: 1001, reason: 'enough' });
  });

  it('talks to a child process, which ends when it is closed', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    const transport = streamTransport(child.stdout, child.stdin);
    const recorder = new Recorder();
    transport.start(recorder);
    const frames = Array.from({ length: 2_000 }, (_, index) => JSON.stringify(`${index} €`));
    for (const frame of frames) transport.send(frame);
    expect(await recorder.received(frames.length)).toEqual(frames);
    transport.close(CLOSE_CODES.normal, 'done');
    expect(await recorder.ended()).toEqual({ code: 1000, reason: 'done' });
    expect(await exited).toBe(0);
  });

  it('tells the end of a child process that exits, behind its last frame', async () => {
    const child = spawn(process.execPath, ['-e', 'console.log(JSON.stringify("done"))'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const recorder = new Recorder();
    streamTransport(child.stdout, child.stdin).start(recorder);
    expect(await recorder.ended()).toEqual({ code: 1000, reason: '' });
    expect(recorder.frames).toEqual(['"done"']);
  });
});
