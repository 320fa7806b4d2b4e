// A lesson: predictions that are answered, arithmetic that is shown, and runs that are replayed.

function predictions(step) {
  const options = [...step.querySelectorAll(".options button")];
  const said = step.querySelector(".said");
  for (const option of options) {
    option.addEventListener("click", () => {
      for (const each of options) each.setAttribute("aria-pressed", String(each === option));
      said.textContent = option.dataset.says === "right" ? "As predicted." : "Not as predicted.";
      said.className = `said ${option.dataset.says}`;
      step.querySelector(".verdict").hidden = false;
      step.querySelector(".after").hidden = false;
    });
  }
}

function arithmetic(numbers) {
  const cells = [...numbers.querySelectorAll("td button")];
  const told = [...numbers.querySelectorAll(".told p")];
  cells.forEach((cell, place) => {
    cell.addEventListener("click", () => {
      cells.forEach((each, i) => each.setAttribute("aria-pressed", String(i === place)));
      told.forEach((each, i) => (each.hidden = i !== place));
    });
  });
}

async function pageOf(run) {
  const letters = atob(document.getElementById(`replay-${run}`).textContent);
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

async function replay(button) {
  const section = document.getElementById("replay");
  const frame = document.createElement("iframe");
  frame.title = button.textContent;
  frame.srcdoc = await pageOf(button.dataset.run);
  document.getElementById("replayed").textContent = button.textContent;
  document.getElementById("stage").replaceChildren(frame);
  section.hidden = false;
  section.scrollIntoView();
}

document.querySelectorAll(".step").forEach(predictions);
document.querySelectorAll(".numbers").forEach(arithmetic);
document.querySelectorAll(".replay").forEach((button) => button.addEventListener("click", () => replay(button)));
