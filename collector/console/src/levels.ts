/** The shape of a clip: how loud it is over its length, for a strip that shows where the shots are before one listens. */

const DECODED_HZ = 48_000;
/** What is this far below full scale is drawn as nothing. */
const FLOOR_DB = -60;

export interface Levels {
  readonly duration_s: number;
  /** 0 (at {@link FLOOR_DB} or below) to 1 (full scale), the loudest of each equal part of the clip. */
  readonly loudest: readonly number[];
}

/** From samples in -1 to 1. Pure. */
export function levelsOf(samples: Float32Array, rate_hz: number, parts: number): Levels {
  const loudest = Array.from({ length: parts }, (_, part) => {
    const from = Math.floor((part * samples.length) / parts);
    const to = Math.floor(((part + 1) * samples.length) / parts);
    let peak = 0;
    for (let index = from; index < to; index++) peak = Math.max(peak, Math.abs(samples[index] as number));
    return peak === 0 ? 0 : Math.min(1, Math.max(0, 1 - (20 * Math.log10(peak)) / FLOOR_DB));
  });
  return { duration_s: samples.length / rate_hz, loudest };
}

/** Decode the clip at this address; rejects where there is none or the browser cannot decode it. */
export async function clipLevels(address: string, parts: number): Promise<Levels> {
  const response = await fetch(address, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`${address}: the collector answered ${response.status}`);
  const decoded = await new OfflineAudioContext(1, 1, DECODED_HZ).decodeAudioData(await response.arrayBuffer());
  return levelsOf(decoded.getChannelData(0), decoded.sampleRate, parts);
}
