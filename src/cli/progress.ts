/** A bar on the terminal for work that takes long; nothing where nobody looks. */

/** Short work shows no bar. */
const DELAY_MS = 500;

export interface Progress {
  /** `share`: from 0 to 1. */
  update(share: number): void;
  stop(): void;
}

const NONE: Progress = { update: () => {}, stop: () => {} };

export async function startProgress(what: string, stream: NodeJS.WriteStream = process.stderr): Promise<Progress> {
  if (!stream.isTTY) return NONE;
  const { default: cliProgress } = await import('cli-progress');
  const format = `${what} {bar} {percentage}% | {eta_formatted} left`;
  const bar = new cliProgress.SingleBar(
    { format, stream, clearOnComplete: true, hideCursor: true },
    cliProgress.Presets.shades_classic,
  );
  const startMs = performance.now();
  let isShown = false;
  return {
    update: (share) => {
      if (!isShown && performance.now() - startMs > DELAY_MS) {
        bar.start(100, 0);
        isShown = true;
      }
      if (isShown) bar.update(Math.floor(share * 100));
    },
    stop: () => {
      if (isShown) bar.stop();
    },
  };
}
