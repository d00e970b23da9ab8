import assert from "node:assert/strict";
import { test } from "node:test";
import { columnsOf } from "../../../collector/console/src/alignment.ts";
import { alertOf } from "../../../collector/console/src/parsing.ts";
import { cautions, confirmByText, dispositionText, dispositionsFor, furtherText, historyText, imageCheckTexts, outcomeText, probabilityOfHit, recordCheckText, ruleText, spokenText } from "../../../collector/console/src/wording.ts";

const AT = "2026-11-21T20:01:01.000045Z";
const read = { id: 1, revision: 1, confidence: 0.9, latency_ms: 380, text: "ABC12O", device: "d", camera: "c", captured_at: AT, slots: [], regions: [], marks: [], passage: null };
const aligned = { read: "O", read_p: 0.6, entry: "0", entry_p: 0.38, step: "same" };
const hit = {
  id: 12, kind: "hit", state: "new", support: "raised", raised_at: AT, latency_ms: 412, why: ["Why."], historical: false, acknowledged_by: null, acknowledged_at: null,
  rule: "likely", probability: 0.93, match: { calibrated: true, alignment: [aligned] }, entry: { plate: "ABC120", list: "stolen", reason: "Stolen" }, read, incident: null,
  soundings: 2, escalated_at: AT, recalled_why: null, disposition: null, closed_by: null, closed_at: null, suppressed: 2, trail: [{ site: "5th" }, { site: "9th" }, { site: "9th" }],
};

function parsed(changes: object = {}) {
  const alert = alertOf({ ...hit, ...changes });
  assert.ok(alert.kind === "hit", alert.kind === "unknown" ? alert.problem : "");
  return alert;
}

test("a hit says its rule and how likely it is, and whether that is a probability", () => {
  assert.equal(ruleText(parsed()), "likely, 93 %");
  assert.equal(probabilityOfHit(parsed({ match: { calibrated: false, alignment: [] } })), "93 %, not calibrated");
  assert.equal(ruleText(parsed({ probability: null, match: null })), "likely");
});

test("what belongs to the alert beside its read is counted and named", () => {
  assert.equal(furtherText(parsed()), "2 further reads at a site; seen again at 9th");
  assert.match(historyText(parsed(), undefined), /after capture; 2 further reads at a site; seen again at 9th$/);
  assert.equal(furtherText(parsed({ suppressed: 0, trail: [{ site: "5th" }] })), "");
});

test("a recall stands first among what must be known, and is spoken", () => {
  const recalled = parsed({ recalled_why: "The owner has it back.", support: "unsupported" });
  assert.equal(cautions(recalled, Date.parse(AT))[0], "Recalled: The owner has it back.");
  assert.equal(spokenText(recalled), "Recalled: alert 12, A B C 1 2 O");
  assert.match(spokenText(parsed()), /^Alert again: A B C 1 2 O, Stolen/);
});

test("a closed alert is one, with its disposition, also in a word of tomorrow", () => {
  const closed = parsed({ state: "closed", disposition: "wrong-state", closed_by: "ada", closed_at: AT });
  assert.deepEqual([closed.state, dispositionText(closed.disposition ?? "")], ["closed", "wrong state"]);
  assert.equal(dispositionText("lent-out"), "lent-out");
  assert.deepEqual(dispositionsFor(closed).map(([word]) => word), ["confirmed", "misread", "wrong-state", "stale-entry", "no-action"]);
});

test("the matcher's alignment is shown as it is; characters that it takes for one are folded", () => {
  const slots: [string, number][][] = [[["O", 0.6], ["0", 0.38]]];
  assert.deepEqual(columnsOf([aligned], slots), [{ read: "O", listed: "0", agreement: "folded", slot: slots[0], probability: 0.6 }]);
  const gap = { read: "", read_p: 0.9, entry: "A", entry_p: 0.02, step: "missing" };
  const over = { read: "1", read_p: 0.7, entry: "", entry_p: 0.2, step: "extra" };
  assert.deepEqual(columnsOf([gap, over], []).map((one) => [one.read, one.listed, one.agreement]), [[null, "A", "unread"], ["1", null, "unlisted"]]);
});

test("what people found out is said with who says so, and what speaks against it first", () => {
  const told = { by: "maria", at: AT };
  const none = parsed();
  assert.deepEqual([none.confirmed, recordCheckText(none), imageCheckTexts(none), outcomeText(none), confirmByText(none)], [false, "nobody has asked its source", ["nobody has compared the picture"], "nothing told", ""]);
  const checked = parsed({
    image_check: { plate: "match", state: "mismatch", vehicle: "cannot-tell", ...told },
    record_check: { status: "not-found", reference: "R1", ...told },
    field_outcome: { outcome: "towed-away", ...told },
    confirm_by: AT,
  });
  assert.deepEqual(imageCheckTexts(checked).slice(0, 3), ["state DOES NOT MATCH", "plate matches", "vehicle cannot be told"]);
  assert.deepEqual(cautions(checked, Date.parse(AT)), ["In the picture this DOES NOT MATCH: state"]);
  assert.match(recordCheckText(checked), /^NOT FOUND by its source \(maria, \d\d:\d\d:\d\d\)$/);
  assert.match(outcomeText(checked), /^towed-away \(maria, /);
  assert.match(confirmByText(checked), /^to be confirmed by \d\d:\d\d:\d\d$/);
  // Active, and yet not confirmed: its entry was taken back since.
  assert.match(recordCheckText(parsed({ record_check: { status: "active", reference: "", ...told } })), /^active \(maria, /);
});

test("an older collector says none of it", () => {
  const { soundings: _, suppressed: __, trail: ___, match: ____, probability: _____, ...older } = hit;
  const alert = alertOf(older);
  assert.ok(alert.kind === "hit");
  assert.deepEqual([alert.soundings, alert.suppressed, alert.sites, alert.alignment, alert.probability], [1, 0, [], null, null]);
  assert.deepEqual([alert.confirmed, alert.hand_off, alert.record_check], [false, "", null]);
});
