/** The client's SETTINGS, checked (RFC 9113 §6.5.2). */

import { ConnectionError, ErrorCode, Setting, WINDOW_DEFAULT, WINDOW_MAX, protocolError } from './protocol.ts';

const SETTING_BYTES = 6;
const FRAME_BYTES_LIMIT = 0xff_ffff;

export interface SettingsChange {
  readonly headerTableBytes: number | undefined;
  /** Difference to the initial window so far. */
  readonly windowDelta: number;
}

export class PeerSettings {
  /** Initial send window of new streams. */
  initialWindow = WINDOW_DEFAULT;

  /** Takes over the payload of a SETTINGS frame. Throws ConnectionError. */
  apply(buf: Buffer, start: number, end: number): SettingsChange {
    if ((end - start) % SETTING_BYTES !== 0) {
      throw new ConnectionError(ErrorCode.FrameSizeError, `SETTINGS of ${end - start} bytes`);
    }
    const windowBefore = this.initialWindow;
    let headerTableBytes: number | undefined;
    for (let at = start; at < end; at += SETTING_BYTES) {
      const value = buf.readUInt32BE(at + 2);
      const setting = buf.readUInt16BE(at);
      this.#check(setting, value);
      if (setting === Setting.HeaderTableSize) headerTableBytes = Math.min(value, headerTableBytes ?? value);
      if (setting === Setting.InitialWindowSize) this.initialWindow = value;
    }
    return { headerTableBytes, windowDelta: this.initialWindow - windowBefore };
  }

  #check(setting: number, value: number): void {
    if (setting === Setting.EnablePush && value > 1) throw protocolError(`ENABLE_PUSH ${value}`);
    if (setting === Setting.InitialWindowSize && value > WINDOW_MAX) {
      throw new ConnectionError(ErrorCode.FlowControlError, `INITIAL_WINDOW_SIZE ${value}`);
    }
    // Frames to the client stay at the smallest size that every client must take.
    const isBadFrameSize = value < 16384 || value > FRAME_BYTES_LIMIT;
    if (setting === Setting.MaxFrameSize && isBadFrameSize) throw protocolError(`MAX_FRAME_SIZE ${value}`);
  }
}
