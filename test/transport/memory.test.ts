import { describe, expect, it } from 'vitest';
import { memoryPair } from '../../src/transport/memory.js';
import { CLOSE_CODES } from '../../src/transport/transport.js';
import { Recorder, turns } from './recorder.js';

function pair() {
  const [near, far] = memoryPair();
  const [nearRecorder, farRecorder] = [new Recorder(), new Recorder()];
  near.start(nearRecorder);
  far.start(farRecorder);
  return { near, far, nearRecorder, farRecorder };
}

describe('a memory pair', () => {
  it('delivers in a microtask: not at once, and before anything else of the event loop', async () => {
    const { near, farRecorder } = pair();
    near.send('1');
    near.send('2');
    expect(farRecorder.frames).toEqual([]);
    await Promise.resolve().then(() => undefined);
    expect(farRecorder.frames).toEqual(['1', '2']);
  });

  it('can be paused like a peer that does not read, and says when it is drained', async () => {
    const { near, far, nearRecorder, farRecorder } = pair();
    far.pause();
    near.send('12345');
    near.close(CLOSE_CODES.normal, 'done');
    await turns(3);
    expect([near.buffered, farRecorder.frames.length, farRecorder.ends.length]).toEqual([5, 0, 0]);
    far.resume();
    expect(await farRecorder.ended()).toEqual({ code: 1000, reason: 'done' });
    expect(farRecorder.frames).toEqual(['12345']);
    expect(near.buffered).toBe(0);
    expect(nearRecorder.late).toEqual([]);
  });

  it('can be paused by the handler of a frame, behind that frame', async () => {
    const [near, far] = memoryPair();
    const seen: string[] = [];
    far.start({
      message: (frame) => {
        seen.push(frame);
        far.pause();
      },
      closed: () => undefined,
    });
    near.start(new Recorder());
    near.send('1');
    near.send('2');
    await turns(2);
    expect(seen).toEqual(['1']);
    far.resume();
    await turns(2);
    expect(seen).toEqual(['1', '2']);
  });

  it('loses what is under way when it breaks', async () => {
    const { near, nearRecorder, farRecorder } = pair();
    near.send('"lost"');
    near.destroy();
    expect([(await nearRecorder.ended()).code, (await farRecorder.ended()).code]).toEqual([1006, 1006]);
    expect(farRecorder.frames).toEqual([]);
  });
});
