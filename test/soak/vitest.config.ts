import { defineConfig } from 'vitest/config';

/** What takes minutes and is not part of every run: `npm run test:soak`. */
export default defineConfig({
  test: {
    root: '.',
    include: ['test/soak/*.test.ts'],
    testTimeout: 600_000,
    fileParallelism: false,
  },
});
