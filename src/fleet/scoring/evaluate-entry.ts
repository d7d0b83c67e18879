/** The thread of `evaluateInThread`: one question, one answer. */
import { parentPort, workerData } from 'node:worker_threads';
import { evaluateHere, type Question } from './evaluate.js';

parentPort?.postMessage(evaluateHere(workerData as Question));
