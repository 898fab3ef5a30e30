"use strict";

const WORDS = [[true, "yes"], [false, "no"], [null, "unknown"]];
const find = (id) => document.getElementById(id);
let state = null;
let item = null;
let saving = false;

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The command on this machine does not answer; start it again and open the address it prints.");
  }
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

async function attempt(work) {
  find("error").hidden = true;
  try {
    await work();
  } catch (error) {
    find("error").textContent = error.message;
    find("error").hidden = false;
  }
}

function buildRow(label, number) {
  const row = document.createElement("fieldset");
  const name = document.createElement("span");
  const at = label.name.toLowerCase().indexOf(label.key);
  const letter = document.createElement("u");
  letter.textContent = label.name[at];
  name.append(label.name.slice(0, at), letter, label.name.slice(at + 1));
  name.className = "name";
  row.setAttribute("aria-label", label.name);
  const share = document.createElement("span");
  share.className = "share";
  share.title = "what the model gives it";
  const three = document.createElement("span");
  three.className = "three";
  for (const [, word] of WORDS) {
    const choice = document.createElement("label");
    const button = document.createElement("input");
    Object.assign(button, { type: "radio", name: `garment-${number}`, value: word });
    const text = document.createElement("span");
    text.textContent = word;
    choice.append(button, text);
    three.append(choice);
  }
  row.append(name, share, three);
  return row;
}

const buttons = (number) => [...document.querySelectorAll(`input[name=garment-${number}]`)];
const chosen = (number) => buttons(number).findIndex((button) => button.checked);
const choose = (number, place) => { buttons(number)[place].checked = true; };
const place = (answer) => WORDS.findIndex(([value]) => value === answer);

function showState() {
  find("bar").max = state.total;
  find("bar").value = state.answered;
  find("count").textContent = `${state.answered} of ${state.total} answered`;
  find("model").textContent = state.model;
  find("manifest").textContent = state.manifest;
  find("skipped").hidden = !state.skipped.length;
  find("skipped").textContent = `${state.skipped.length} not shown, they cannot be read: ${state.skipped.join(", ")}`;
}

async function showItem(index) {
  item = await ask(`items/${index}`);
  find("work").hidden = false;
  find("end").hidden = true;
  find("picture").src = `pictures/${index}`;
  find("picture").alt = `Picture ${index + 1} of ${state.total}`;
  find("file").textContent = `${index + 1}. ${item.file}`;
  find("kept").hidden = !item.answered;
  find("before").hidden = index === 0;
  if (index > 0) find("before").src = `pictures/${index - 1}`;
  find("same").checked = item.same_person;
  find("same").disabled = index === 0;
  find("back").disabled = index === 0;
  [...find("rows").children].forEach((row, number) => {
    choose(number, place(item.answers[number]));
    row.classList.toggle("doubt", !item.answered && item.answers[number] === null);
    row.querySelector(".share").textContent = item.probs ? `${Math.round(100 * item.probs[number])} %` : "";
  });
  if (document.activeElement) document.activeElement.blur();
}

async function showNext() {
  if (state.next !== null) return showItem(state.next);
  find("work").hidden = true;
  find("end").hidden = false;
  item = null;
}

async function save() {
  if (saving || item === null) return;
  saving = true;
  try {
    const answers = state.labels.map((_, number) => WORDS[chosen(number)][0]);
    state = await ask(`items/${item.index}`, { answers, same_person: find("same").checked });
    showState();
    await showNext();
  } finally {
    saving = false;
  }
}

function tellNothing() {
  state.labels.forEach((_, number) => choose(number, place(null)));
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || item === null) return;
  const key = event.key.toLowerCase();
  const number = state.labels.findIndex((label) => label.key === key);
  if (number >= 0) choose(number, event.shiftKey ? place(null) : place(WORDS[chosen(number)][0] !== true));
  else if (key === "s") find("same").checked = find("same").disabled ? false : !find("same").checked;
  else if (key === "x") tellNothing();
  else if (key === "backspace" && item.index > 0) attempt(() => showItem(item.index - 1));
  else if (key === "enter" && event.target.tagName !== "BUTTON" && !event.repeat) attempt(save);
  else return;
  event.preventDefault();
}

attempt(async () => {
  state = await ask("state");
  find("rows").append(...state.labels.map(buildRow));
  showState();
  document.addEventListener("keydown", onKey);
  find("form").addEventListener("submit", (event) => { event.preventDefault(); attempt(save); });
  find("nothing").addEventListener("click", tellNothing);
  find("back").addEventListener("click", () => attempt(() => showItem(item.index - 1)));
  find("again").addEventListener("click", () => attempt(() => showItem(state.total - 1)));
  await showNext();
});
