/**
 * A plate as read laid over the plate as listed, character by character.
 *
 * Pure. The matcher's own alignment is shown where the collector gives one ({@link columnsOf}). Otherwise it is Needleman and Wunsch's (J. Mol. Biol. 48, 1970) with costs for this one purpose: a pair that
 * the folded rule treats as one character (0/O, 1/I) is dearer than equal characters and cheaper than different ones.
 */
import type { Aligned, Slot } from "./records.ts";

export type Agreement = "same" | "folded" | "different" | "unlisted" | "unread";

/** One column of the comparison; `read` or `listed` is null where the other plate has a character more. */
export interface Column {
  readonly read: string | null;
  readonly listed: string | null;
  readonly agreement: Agreement;
  /** What this position may be, likeliest first; empty where the distribution is not known. */
  readonly slot: Slot;
  /** The probability of `read` at this position, null where it is not known. */
  readonly probability: number | null;
}

/** A character read with less than this is marked: if calibrated, more than one in five such is wrong. */
export const LOW_PROBABILITY = 0.8;

const FOLDED: ReadonlyMap<string, string> = new Map([
  ["O", "0"],
  ["I", "1"],
]);
const COST_SAME = 0;
const COST_FOLDED = 0.4;
const COST_DIFFERENT = 1;
const COST_GAP = 1.01; // A substitution wins a tie: plates are misread more often than characters are missed.

const fold = (character: string): string => FOLDED.get(character) ?? character;
const isPlateCharacter = (character: string): boolean => /^[\p{L}\p{N}]$/u.test(character);

/** The characters that count: upper case, without spaces, hyphens, dots and padding. */
export function plateCharacters(text: string): string[] {
  return [...text.toUpperCase()].filter(isPlateCharacter);
}

function agreementOf(read: string, listed: string): Agreement {
  if (read === listed) return "same";
  return fold(read) === fold(listed) ? "folded" : "different";
}

function substitutionCost(read: string, listed: string): number {
  const agreement = agreementOf(read, listed);
  return agreement === "same" ? COST_SAME : agreement === "folded" ? COST_FOLDED : COST_DIFFERENT;
}

/** The slots that hold a character of the text, or none where slots and text do not fit each other. */
function slotsOfText(characters: readonly string[], slots: readonly Slot[]): readonly Slot[] {
  const filled = slots.filter((slot) => isPlateCharacter((slot[0]?.[0] ?? "").toUpperCase()));
  return filled.length === characters.length ? filled : characters.map(() => []);
}

function probabilityOf(character: string, slot: Slot): number | null {
  return slot.find(([candidate]) => candidate.toUpperCase() === character)?.[1] ?? null;
}

/** Lay `text`, read with the distributions `slots`, over the plate as listed. */
export function align(text: string, slots: readonly Slot[], listedPlate: string): Column[] {
  const read = plateCharacters(text);
  const listed = plateCharacters(listedPlate);
  const readSlots = slotsOfText(read, slots);
  const width = listed.length + 1;
  const cost = new Float64Array((read.length + 1) * width);
  const at = (i: number, j: number): number => cost[i * width + j] as number;
  for (let i = 0; i <= read.length; i++) {
    for (let j = 0; j <= listed.length; j++) {
      if (i === 0 || j === 0) {
        cost[i * width + j] = (i + j) * COST_GAP;
        continue;
      }
      const substituted = at(i - 1, j - 1) + substitutionCost(read[i - 1] as string, listed[j - 1] as string);
      cost[i * width + j] = Math.min(substituted, at(i - 1, j) + COST_GAP, at(i, j - 1) + COST_GAP);
    }
  }

  const columns: Column[] = [];
  let i = read.length;
  let j = listed.length;
  while (i > 0 || j > 0) {
    const readHere = i > 0 ? (read[i - 1] as string) : null;
    const listedHere = j > 0 ? (listed[j - 1] as string) : null;
    const slot = readSlots[i - 1] ?? [];
    const both = readHere !== null && listedHere !== null;
    if (both && at(i, j) === at(i - 1, j - 1) + substitutionCost(readHere, listedHere)) {
      const agreement = agreementOf(readHere, listedHere);
      columns.push({ read: readHere, listed: listedHere, agreement, slot, probability: probabilityOf(readHere, slot) });
      i--;
      j--;
    } else if (readHere !== null && (listedHere === null || at(i, j) === at(i - 1, j) + COST_GAP)) {
      const probability = probabilityOf(readHere, slot);
      columns.push({ read: readHere, listed: null, agreement: "unlisted", slot, probability });
      i--;
    } else {
      columns.push({ read: null, listed: listedHere, agreement: "unread", slot: [], probability: null });
      j--;
    }
  }
  return columns.reverse();
}

const AGREEMENTS: Readonly<Record<string, Agreement>> = { same: "same", other: "different", missing: "unread", extra: "unlisted" };

/** The matcher's alignment as columns. Where it takes two characters for one (O and 0) they are shown as folded. */
export function columnsOf(alignment: readonly Aligned[], slots: readonly Slot[]): Column[] {
  const read = alignment.filter((one) => one.read !== "").map((one) => one.read);
  const readSlots = slotsOfText(read, slots);
  let at = 0;
  return alignment.map((one) => {
    const seen = one.read === "" ? null : one.read;
    const known = AGREEMENTS[one.step] ?? "different";
    const agreement = known === "same" && one.read !== one.entry ? "folded" : known;
    const slot = seen === null ? [] : (readSlots[at++] ?? []);
    return { read: seen, listed: one.entry === "" ? null : one.entry, agreement, slot, probability: seen === null ? null : one.read_p };
  });
}

function percent(probability: number): string {
  if (probability >= 0.9995) return "over 99.9 %";
  return probability < 0.01 ? "under 1 %" : `${(probability * 100).toFixed(probability >= 0.99 ? 1 : 0)} %`;
}

/** What one column says, in words: for hover, focus and screen readers. */
export function describeColumn(column: Column, position: number): string {
  if (column.agreement === "unread") return `Position ${position}: ${column.listed} is listed, nothing was read`;
  const alternatives = column.slot
    .filter(([character]) => character.toUpperCase() !== column.read)
    .slice(0, 3)
    .map(([character, probability]) => `${isPlateCharacter(character) ? character : "nothing"} ${percent(probability)}`);
  const read =
    column.probability === null ? `read ${column.read}` : `read ${column.read} with ${percent(column.probability)}`;
  const rest = alternatives.length > 0 ? `; else ${alternatives.join(", ")}` : "";
  const listed = {
    same: "as listed",
    folded: `listed ${column.listed}: the same when folded`,
    different: `listed ${column.listed}`,
    unlisted: "not in the listed plate",
  }[column.agreement];
  return `Position ${position}: ${read}${rest}. ${listed.charAt(0).toUpperCase()}${listed.slice(1)}`;
}

/** The comparison in one line: how many characters agree, and which were read with low probability. */
export function summarize(columns: readonly Column[]): string {
  const same = columns.filter((column) => column.agreement === "same").length;
  const folded = columns.filter((column) => column.agreement === "folded").length;
  const known = columns.filter((column) => column.probability !== null);
  const low = known.filter((column) => (column.probability as number) < LOW_PROBABILITY);
  const agree =
    same === columns.length
      ? `All ${same} characters as listed`
      : `${same} of ${columns.length} characters as listed${folded > 0 ? `, ${folded} folded` : ""}`;
  if (low.length > 0) return `${agree}; ${low.length} read with less than ${LOW_PROBABILITY * 100} %`;
  return known.length > 0 ? `${agree}; each read with ${LOW_PROBABILITY * 100} % or more` : agree;
}
