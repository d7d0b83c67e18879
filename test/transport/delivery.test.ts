/** What every transport owes to the order of `start`, frames, the end, and the owner's own close (T1, T3). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Delivery } from '../../src/transport/delivery.js';
import { Recorder, turns } from './recorder.js';

const END = { code: 1000, reason: 'bye' };

describe('delivery', () => {
  it('keeps what came before the start and calls nobody from within it', async () => {
    const delivery = new Delivery();
    const recorder = new Recorder();
    delivery.message('1');
    delivery.binary(Uint8Array.of(1));
    delivery.start(recorder);
    expect([recorder.frames.length, recorder.binaries.length]).toEqual([0, 0]);
    delivery.message('2');
    await turns(1);
    delivery.message('3');
    expect([recorder.frames, recorder.binaries.length]).toEqual([['1', '2', '3'], 1]);
  });

  it('stops at once when a handler closes, and then tells the end only', async () => {
    const delivery = new Delivery();
    const seen: unknown[] = [];
    for (const frame of ['1', '2', '3']) delivery.message(frame);
    delivery.start({
      message: (frame) => {
        seen.push(frame);
        delivery.mute();
      },
      closed: (end) => seen.push(end),
    });
    await turns(1);
    delivery.message('4');
    delivery.end(END);
    expect(seen).toEqual(['1', END]);
  });

  it('tells an end that was waiting even when the owner closes before it is told', async () => {
    const delivery = new Delivery();
    const recorder = new Recorder();
    delivery.end(END);
    delivery.start(recorder);
    delivery.mute();
    await turns(1);
    expect(recorder.ends).toEqual([END]);
  });

  it('tells the end once and last, whatever happens in whatever order', async () => {
    const step = fc.constantFrom('message', 'binary', 'drained', 'end', 'mute', 'start', 'turn');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const delivery = new Delivery();
        const recorder = new Recorder();
        let started = false;
        for (const action of steps) {
          if (action === 'message') delivery.message('frame');
          else if (action === 'binary') delivery.binary(Uint8Array.of(1));
          else if (action === 'drained') delivery.drained();
          else if (action === 'end') delivery.end(END);
          else if (action === 'mute') delivery.mute();
          else if (action === 'turn') await turns(1);
          else if (!started) {
            started = true;
            delivery.start(recorder);
          }
        }
        if (!started) delivery.start(recorder);
        await turns(1);
        expect(recorder.late).toEqual([]);
        expect(recorder.ends).toEqual(steps.includes('end') ? [END] : []);
        const beforeEnd = steps.includes('end') ? steps.slice(0, steps.indexOf('end')) : steps;
        const sent = beforeEnd.filter((action) => action === 'message').length;
        if (!steps.includes('mute')) expect(recorder.frames.length).toBe(sent);
        else expect(recorder.frames.length).toBeLessThanOrEqual(sent);
      }),
    );
  });
});
