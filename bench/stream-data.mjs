/** What the streamed results of the benchmark are made of: one block again and again, the same for every server. */

const LINE =
  'A line of a report, with a "quotation", a number (1234.5678), a tab\t and naïve accents: é ü ø.\n';

/** Made once: making them is no part of what is measured. @type {Map<string, Buffer>} */
const blocks = new Map();

/**
 * @param {string} encoding `utf8` or `base64`
 * @param {number} bytes
 * @returns {Buffer} text of that many bytes as UTF-8, or as many bytes of all values
 */
export function blockOf(encoding, bytes) {
  const key = `${encoding} ${bytes}`;
  const block = blocks.get(key) ?? (encoding === 'base64' ? bytesOf(bytes) : textOf(bytes));
  blocks.set(key, block);
  return block;
}

/** @param {number} bytes */
function bytesOf(bytes) {
  return Buffer.from(Uint8Array.from({ length: bytes }, (_, index) => (index * 167 + (index >>> 8)) & 0xff));
}

/** @param {number} bytes */
function textOf(bytes) {
  const line = Buffer.from(LINE);
  const lines = Math.floor(bytes / line.length);
  const padding = Buffer.alloc(bytes - lines * line.length, '.');
  return Buffer.concat([...Array.from({ length: lines }, () => line), padding]);
}
