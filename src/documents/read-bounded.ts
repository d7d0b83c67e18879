import { open } from 'node:fs/promises';

/**
 * A file as a whole, where it has at most `maxBytes`: what is there counts, not what the file system says.
 * @throws Error where it cannot be read, is no file, or is too large.
 */
export async function readBounded(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error(`${path} is no file`);
    // One byte more than allowed.
    const bytes = Buffer.alloc(Math.min(stat.size, maxBytes) + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === bytes.length) break;
    }
    if (length > maxBytes) throw new Error(`${path} is larger than ${maxBytes} bytes`);
    if (length === bytes.length) throw new Error(`${path} grows while it is read`);
    return bytes.subarray(0, length);
  } finally {
    await file.close();
  }
}
