// What two runs agree on: who is right, and the clusters of one by those of the other.

import { NOTHING } from "./data.js";
import { button, clusterName, clusterWords, count, el, figure } from "./drawing.js";
import { isNoise, isWrong } from "./panels.js";
import { createTable } from "./tables.js";

const VERDICTS = [
  ["Both right", (a, b) => a === "right" && b === "right"],
  ["Only A right", (a, b) => a === "right" && b === "wrong"],
  ["Only B right", (a, b) => a === "wrong" && b === "right"],
  ["Both wrong", (a, b) => a === "wrong" && b === "wrong"],
  ["Noise in one or both", (a, b) => a === "noise" || b === "noise"],
];

export function createPair(element, page, actions) {
  const { facts, sides, pair } = page;
  const scores = el("p", { class: "scores" });
  const buttons = VERDICTS.map(([words], i) => button(words, () => choose(i), { class: "verdict" }));
  const box = el("div", { class: "table-box" });
  const hasLabels = Boolean(page.labels);
  element.append(
    el("h3", {}, "Agreement of A and B"),
    scores,
    el("p", { class: "quiet" }, `Compared over ${facts.compared_over}. Clusters of B have the numbers and colours of those of A that they share most items with at the last step.`),
    el("div", { class: "verdicts", hidden: !hasLabels }, buttons),
    el("h4", {}, "Clusters of A (rows) by clusters of B (columns)"),
    box,
  );
  const table = createTable(box, {
    onPick(a, b) {
      const [of_a, of_b] = sides.map((side) => side.part("cluster", actions.place(side)));
      const items = every((i) => Math.min(of_a[i], facts.n_ids) === a && Math.min(of_b[i], facts.n_ids) === b);
      const words = `${clusterWords(a, facts.n_ids)} in A, ${clusterWords(b, facts.n_ids)} in B`;
      actions.choose(items, words[0].toUpperCase() + words.slice(1), 0);
    },
  });

  function every(test) {
    return Array.from({ length: page.count }, (_, i) => i).filter(test);
  }

  function verdictOf(side, i) {
    const place = actions.place(side);
    if (isNoise(page, side.part("cluster", place)[i])) return "noise";
    return isWrong(page, side, place, i) ? "wrong" : "right";
  }

  function choose(number) {
    const [words, test] = VERDICTS[number];
    const items = every((i) => page.labels[i] !== NOTHING && test(verdictOf(sides[0], i), verdictOf(sides[1], i)));
    actions.choose(items, words, 0);
  }

  return {
    update(state) {
      const [ari, nmi] = facts.agreement[state.frame];
      scores.replaceChildren("NMI of A and B ", el("b", {}, figure(nmi)), "  ARI ", el("b", {}, figure(ari)));
      const counts = pair.verdict(state.frame);
      buttons.forEach((each, i) => {
        each.textContent = `${VERDICTS[i][0]}: ${count(counts[i])}`;
        each.hidden = i === 4 && !counts[4];
      });
      const cells = pair.common(state.frame);
      const ids = (place) =>
        [...new Set(cells.map((cell) => cell[place]))]
          .sort((a, b) => a - b)
          .map((id) => ({ id, words: clusterName(id, facts.n_ids) }));
      table.show({
        label: "Clusters of A by clusters of B",
        corner: "A \\ B",
        rows: ids(0),
        columns: ids(1),
        counts: cells,
        isOutlined: (a, b) => a === b && a < facts.n_ids,
        cellWords: (a, b, number, share) =>
          `${clusterWords(a, facts.n_ids)} in A and ${clusterWords(b, facts.n_ids)} in B: ${count(number)} (${share})`,
      });
    },
  };
}
