/** Streamed results: their chunks, the rules of their order, the consumer's side and the producer's. */
export * from './result-chunk.js';
export { ResultChunkSequence, type BegunResult } from './result-chunk-sequence.js';
export { ResultChunkAssembler } from './result-chunk-assembler.js';
export { DEFAULT_CHUNK_BYTES, ResultChunker, type ResultChunkerOptions } from './result-chunker.js';
