/** Loaded into a server before anything else: its Date is off by the milliseconds in the file SHIFTED_DATE_FILE. */
import { readFileSync } from 'node:fs';

const LOOK_AGAIN_MS = 20;
const file = process.env.SHIFTED_DATE_FILE;
const RealDate = Date;
let offsetMs = 0;
let lookedMs = -Infinity;

function look() {
  const nowMs = performance.now();
  if (nowMs - lookedMs < LOOK_AGAIN_MS) return;
  lookedMs = nowMs;
  try {
    offsetMs = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    offsetMs = 0;
  }
}

class ShiftedDate extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(ShiftedDate.now());
    else super(...args);
  }

  static now() {
    look();
    return RealDate.now() + offsetMs;
  }
}

if (file) globalThis.Date = ShiftedDate;
