/** The conformance harness: plays the scenarios of `spec-fixtures/` at any runtime, and its cases for clients at any client. */
export type { ClientCase } from './clients/case.js';
export { loadClientSuite, type ClientSuite } from './clients/load.js';
export { Stage } from './clients/stage.js';
export {
  ClientJudge,
  runClientSuite,
  selectedCases,
  type ClientRunOptions,
  type ProgramEnd,
  type Run,
} from './clients/suite.js';
export { formatted, FORMATS, type Format } from './report/formats.js';
export { Progress, terminalReport } from './report/terminal.js';
export { NotReached } from './run/probe.js';
export { runSuite, selected, type Outcome, type Report, type RunOptions, type Verdict } from './run/suite.js';
export { isMap, type JsonMap } from './scenarios/matcher.js';
export type { Target } from './run/player.js';
export { loadSuite, type Suite } from './scenarios/load.js';
export { DIALECTS, type DialectName, type Scenario } from './scenarios/scenario.js';
