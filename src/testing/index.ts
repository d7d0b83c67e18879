/** For those who write agents and test them: a runtime in memory and a clock that the test moves. */
export { FakeClock } from './fake-clock.js';
export { testRuntime, type TestConnectOptions, type TestRuntime } from './test-runtime.js';
