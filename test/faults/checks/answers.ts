/**
 * Every answer is exactly what the store was at the revision that the answer names, and revisions follow real time: nobody is
 * told of an older one than somebody knew before he asked. Together that is strict serializability, with the order given by
 * the revisions.
 */
import type { Answer, Entry, History, Operation, RangeQuestion } from '../history.ts';
import type { Ledger } from './ledger.ts';
import { hold, shown } from './violation.ts';

/** `effects`: at which revision operations that changed something did. */
export function checkAnswers(history: History, ledger: Ledger, effects: ReadonlyMap<Operation, number>): void {
  for (const operation of history.operations) if (operation.answer !== undefined) expectRight(operation, ledger);
  expectRealTime(history, effects);
}

function expectRight(operation: Operation, ledger: Ledger): void {
  const { request, answer } = operation;
  if (answer === undefined) return;
  const { revision } = answer;
  const isKnown = revision <= ledger.revision;
  hold(isKnown, 'a revision that does not exist', () => `${shown(operation)}, the store ends at ${ledger.revision}`);
  if (request.kind === 'range') expectRange(operation, request, answer, ledger);
  if (request.kind === 'guarded') {
    const { guard, change } = request;
    const before = ledger.get(guard.key, answer.succeeded === true ? revision - 1 : revision)?.[guard.target] ?? 0;
    const holds = before === guard.equals;
    hold(holds === answer.succeeded, 'a guard', () => `${shown(operation)}, but it was ${before}`);
    if (!holds) expectEntries(operation, ledger.range(change.key, undefined, revision), answer.entries);
  }
  if (request.kind === 'change' && request.change.kind === 'delete') {
    const had = ledger.get(request.change.key, answer.deleted === 0 ? revision : revision - 1) !== undefined;
    hold(had === (answer.deleted === 1), 'a deletion', () => shown(operation));
  }
}

function expectRange(operation: Operation, question: RangeQuestion, answer: Answer, ledger: Ledger): void {
  const { key, end, limit = 0, revision = answer.revision } = question;
  const all = ledger.range(key, end, revision);
  const some = limit === 0 ? all : all.slice(0, limit);
  expectEntries(operation, some, answer.entries);
  const isRight = answer.count === all.length && answer.more === some.length < all.length;
  hold(isRight, 'count and more', () => `${shown(operation)} of ${all.length}`);
}

function expectEntries(operation: Operation, expected: readonly Entry[], got: readonly Entry[] = []): void {
  hold(shown(got) === shown(expected), 'an answer', () => `${shown(operation)}, should be ${shown(expected)}`);
}

/** Sweeps over time: `newest` is the newest revision that anyone had been told when an operation was called. */
function expectRealTime(history: History, effects: ReadonlyMap<Operation, number>): void {
  const told = history.operations
    .filter(({ answer }) => answer !== undefined)
    .toSorted((a, b) => a.returnMs - b.returnMs);
  const asked = history.operations.toSorted((a, b) => a.callMs - b.callMs);
  let newest: Operation | undefined;
  let next = 0;
  for (const operation of asked) {
    for (; next < told.length; next++) {
      const before = told[next] as Operation;
      if (before.returnMs >= operation.callMs) break;
      if ((before.answer?.revision ?? 0) > (newest?.answer?.revision ?? 0)) newest = before;
    }
    const known = newest?.answer?.revision ?? 0;
    const effect = effects.get(operation);
    if (effect !== undefined) {
      hold(effect > known, 'a write before it was asked for', () => `${shown(operation)} after ${shown(newest)}`);
      continue;
    }
    const { request, answer } = operation;
    if (answer === undefined || (request.kind === 'range' && request.serializable === true)) continue;
    hold(answer.revision >= known, 'a stale answer', () => `${shown(operation)} after ${shown(newest)}`);
  }
}
