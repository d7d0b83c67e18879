/** All that is measured, in the order of its letters. */
import { delegation } from './delegation.mjs';
import { events, replay } from './events.mjs';
import { fanOut } from './fan-out.mjs';
import { fleet } from './fleet.mjs';
import { growth } from './growth.mjs';
import { jobs } from './jobs.mjs';
import { sessions } from './sessions.mjs';
import { startUp } from './start-up.mjs';
import { streams } from './streams.mjs';

/** @type {readonly import('./work.mjs').Work[]} */
export const WORKS = [jobs, events, streams, fanOut, replay, sessions, delegation, startUp, growth, fleet];
