/** The laws of `src/transport/transport.ts`, over every kind of transport. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { CLOSE_CODES } from '../../src/transport/transport.js';
import { Recorder, turns } from './recorder.js';
import type { Wire } from './wires.js';
import { WIRES } from './wires.js';

describe.each(WIRES)('$name', ({ open, carriesCodes, tellsDrained }) => {
  const opened: Wire[] = [];

  afterEach(async () => {
    for (const wire of opened.splice(0)) await wire.dispose();
  });

  async function start(maxFrameBytes?: number) {
    const wire = await open(maxFrameBytes);
    opened.push(wire);
    const near = new Recorder();
    const far = new Recorder();
    wire.near.start(near);
    wire.far.start(far);
    return { wire, near, far };
  }

  it('T1: delivers 10,000 frames in both directions, in order', async () => {
    const { wire, near, far } = await start();
    const frames = Array.from(
      { length: 10_000 },
      (_, index) => `{"n":${index},"pad":"${'ü€𝄞'.repeat(index % 9)}"}`,
    );
    for (const frame of frames) {
      wire.near.send(frame);
      wire.far.send(frame);
    }
    expect(await far.received(frames.length)).toEqual(frames);
    expect(await near.received(frames.length)).toEqual(frames);
  });

  it('T1: delivers what came before the start first, and then the rest', async () => {
    const wire = await open();
    opened.push(wire);
    wire.near.send('"first"');
    wire.near.send('"second"');
    await turns(3);
    const far = new Recorder();
    wire.far.start(far);
    expect(far.frames, 'no handler is called from within start').toEqual([]);
    wire.near.send('"third"');
    expect(await far.received(3)).toEqual(['"first"', '"second"', '"third"']);
  });

  it('T1: takes any JSON text, however its bytes are cut', async () => {
    const { wire, far } = await start();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'binary', maxLength: 3_000 }), { maxLength: 5 }),
        async (texts) => {
          const before = far.frames.length;
          const frames = texts.map((text) => JSON.stringify(text.toWellFormed()));
          for (const frame of frames) wire.near.send(frame);
          await far.received(before + frames.length);
          expect(far.frames.slice(before)).toEqual(frames);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('T1: takes one frame of a megabyte and a half that comes in pieces', async () => {
    const { wire, near, far } = await start();
    const frame = JSON.stringify('€'.repeat((1_572_864 - 2) / 3));
    wire.near.send(frame);
    wire.far.send(frame);
    expect((await far.received(1))[0] === frame).toBe(true);
    expect((await near.received(1))[0] === frame).toBe(true);
  });

  it('T1: takes a frame of exactly the limit in bytes, and closes with 1009 and a reason over one byte more', async () => {
    const { wire, near, far } = await start(3_002);
    const fits = `"${'€'.repeat(1_000)}"`;
    wire.near.send(fits);
    wire.near.send(`"${'€'.repeat(999)}abcd"`);
    wire.near.send('"after"');
    const end = await far.ended();
    expect(end).toEqual({ code: 1009, reason: 'the frame is larger than 3002 bytes' });
    expect(far.frames).toEqual([fits]);
    expect((await near.ended()).code).toBe(carriesCodes ? 1009 : 1000);
  });

  it('T2: send after the close, ours or theirs, does nothing', async () => {
    const { wire, near, far } = await start();
    wire.near.close(CLOSE_CODES.normal, 'done');
    wire.near.send('"too late"');
    await far.ended();
    wire.far.send('"too late as well"');
    await near.ended();
    wire.near.send('"much too late"');
    wire.near.close(CLOSE_CODES.goingAway, 'again');
    await turns(5);
    expect([...near.frames, ...far.frames]).toEqual([]);
    expect([near.ends.length, far.ends.length]).toEqual([1, 1]);
  });

  it('T2: buffered grows while the other end does not read, and is 0 again once it has read everything', async () => {
    const wire = await open();
    opened.push(wire);
    const near = new Recorder();
    const far = new Recorder();
    wire.near.start(near);
    const frame = JSON.stringify('x'.repeat(1_000_000));
    for (let sent = 0; sent < 24; sent++) wire.near.send(frame);
    await turns(20);
    expect(wire.near.buffered).toBeGreaterThan(0);
    wire.far.start(far);
    await far.received(24);
    if (tellsDrained) await near.drainedOnce();
    else await turns(20);
    expect(wire.near.buffered).toBe(0);
  });

  it('T3: tells the end once to both, with the code and reason of the one who closed', async () => {
    const { wire, near, far } = await start();
    wire.far.close(CLOSE_CODES.policyViolation, 'no hello came');
    expect(await far.ended()).toEqual({ code: 1008, reason: 'no hello came' });
    expect(await near.ended()).toEqual(
      carriesCodes ? { code: 1008, reason: 'no hello came' } : { code: 1000, reason: '' },
    );
    await turns(10);
    expect([near.ends.length, far.ends.length]).toEqual([1, 1]);
  });

  it('T3: tells each its own end when both close at once', async () => {
    const { wire, near, far } = await start();
    wire.near.close(CLOSE_CODES.normal, 'from near');
    wire.far.close(CLOSE_CODES.goingAway, 'from far');
    expect(await near.ended()).toEqual({ code: 1000, reason: 'from near' });
    expect(await far.ended()).toEqual({ code: 1001, reason: 'from far' });
    await turns(10);
    expect([near.ends.length, far.ends.length]).toEqual([1, 1]);
  });

  it('T3: delivers nothing any more to the one who closed', async () => {
    const { wire, near } = await start();
    wire.near.close(CLOSE_CODES.normal, '');
    wire.far.send('"crossing"');
    await near.ended();
    await turns(10);
    expect(near.frames).toEqual([]);
    expect(near.late).toEqual([]);
  });

  it('T3: an end that came before the start is told after it, behind the frames', async () => {
    const wire = await open();
    opened.push(wire);
    wire.near.send('"last words"');
    wire.near.close(CLOSE_CODES.normal, 'bye');
    await turns(10);
    const far = new Recorder();
    wire.far.start(far);
    expect((await far.ended()).code).toBe(1000);
    expect(far.frames).toEqual(['"last words"']);
    expect(far.late).toEqual([]);
  });

  it('T3: a connection that breaks ends with 1006 on both sides', async () => {
    const { wire, near, far } = await start();
    wire.near.send('"alive"');
    await far.received(1);
    wire.cut();
    expect((await near.ended()).code).toBe(1006);
    expect((await far.ended()).code).toBe(1006);
    wire.near.send('"into the void"');
    wire.far.close(CLOSE_CODES.normal, '');
    await turns(10);
    expect([near.ends.length, far.ends.length]).toEqual([1, 1]);
    expect([...near.late, ...far.late]).toEqual([]);
  });

  it('T3: is started once', async () => {
    const { wire } = await start();
    expect(() => {
      wire.near.start(new Recorder());
    }).toThrow('started once');
  });

  it('T4: writes what was sent before the close before the close', async () => {
    const { wire, near, far } = await start();
    const frames = Array.from({ length: 500 }, (_, index) => JSON.stringify(`${index} ${'x'.repeat(index)}`));
    for (const frame of frames) wire.near.send(frame);
    wire.near.close(CLOSE_CODES.normal, 'that was all');
    await far.ended();
    expect(far.frames).toEqual(frames);
    await near.ended();
  });

  it('T4: what was sent in the turn in which the other side closes is not torn', async () => {
    const { wire, near, far } = await start();
    wire.near.close(CLOSE_CODES.normal, '');
    for (let sent = 0; sent < 100; sent++) wire.far.send(JSON.stringify('y'.repeat(1_000)));
    expect((await far.ended()).code).toBe(1000);
    expect((await near.ended()).code).toBe(1000);
  });

  it('cuts a close reason to 123 bytes, between characters', async () => {
    const { wire, near, far } = await start();
    wire.near.close(CLOSE_CODES.policyViolation, `a${'€'.repeat(200)}`);
    const reason = `a${'€'.repeat(40)}`;
    expect(await near.ended()).toEqual({ code: 1008, reason });
    if (carriesCodes) expect((await far.ended()).reason).toBe(reason);
  });
});
