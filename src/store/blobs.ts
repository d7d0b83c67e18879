/**
 * Contents that are too large for a log or a document, under names: the bytes of artifacts. They are a port of their
 * own, so that a store may keep them elsewhere than its log.
 *
 * (O1) A blob is written from its beginning to its end, piece by piece, by one writer at a time; with its last piece it
 *      is whole.
 * (O2) When `write` resolves, everything up to the end of its piece survives what the store promises to survive. When
 *      it rejects, everything before the piece is as it was.
 * (O3) A piece replaces whatever stands at its place and behind: what was written there was never made known.
 * (O4) Nothing is held in memory but the pieces that are being written or read, a bounded number at once.
 */
export interface Blobs {
  /** Writes a piece that begins at byte `at`. Rejects with DATA_LOSS when there is less than that in front of it. */
  write(name: string, at: number, bytes: Uint8Array, isLast: boolean): Promise<void>;
  /** Exactly `length` bytes from byte `at`, whole or not. Rejects with DATA_LOSS when they are not there. */
  read(name: string, at: number, length: number): Promise<Uint8Array>;
  /** A name that nothing is kept under is as good as removed. */
  remove(name: string): Promise<void>;
  list(): Promise<readonly StoredBlob[]>;
}

export interface StoredBlob {
  readonly name: string;
  readonly size: number;
}
