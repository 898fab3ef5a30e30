// The installer's page: log in, watch a camera, draw, save.

import { Editor, TYPES, toPlaces, toShapes } from "/shapes.js";

const PICTURE_EVERY_MS = 200;
const STATE_EVERY_MS = 2000;
const TAKEN_OVER_WITHIN_MS = 60000;
const ZONE_TYPES = ["area", "staff", "ignore"];

const at = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const page = { camera: null, version: "", saved: "", snapshots: "off", waiting: false };

const editor = new Editor(at("overlay"), listShapes, (tool, hint) => {
  at("hint").textContent = hint;
  for (const button of at("tools").children) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
});

class Problem extends Error {}

async function ask(path, method = "GET", body = undefined) {
  const answer = await fetch(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 401 && path !== "/api/login") showLogin();
  throw new Problem(said.problem ?? `The daemon answered ${answer.status}.`);
}

function showLogin() {
  page.camera = null;
  at("panel").hidden = true;
  at("login").hidden = false;
  at("password").focus();
}

function say(text, kind = "") {
  at("said").textContent = text;
  at("said").className = kind;
}

// --- Cameras ---

async function enter() {
  const state = await (await ask("/api/state")).json();
  at("login").hidden = true;
  at("panel").hidden = false;
  showState(state);
  if (page.camera === null && state.cameras.length) await choose(state.cameras[0].id);
  await showSnapshots();
}

function showState(state) {
  at("site").textContent = state.site;
  page.snapshots = state.snapshots;
  at("file").textContent = state.writable ? `Saved into ${state.file}; the file before stays as .bak.`
    : `${state.file} is read-only for the daemon: Save shows what to paste into it.`;
  at("cameras").replaceChildren(...state.cameras.map((camera) => {
    const button = document.createElement("button");
    const dot = document.createElement("span");
    dot.className = ["online", "ended"].includes(camera.state) ? "dot well" : "dot";
    button.append(dot, `${camera.id} · ${camera.state}`);
    button.type = "button";
    button.title = camera.reason;
    button.setAttribute("aria-current", String(camera.id === page.camera));
    button.addEventListener("click", () => choose(camera.id).catch(tell));
    return button;
  }));
  const mine = state.cameras.find((camera) => camera.id === page.camera);
  at("waiting").textContent = mine?.reason || "No picture yet";
}

function tell(error) {
  say(error instanceof Problem ? error.message : "The daemon does not answer; is it running?", "bad");
}

async function choose(camera) {
  if (page.camera !== null && changed() && !confirm("Give up what was not saved?")) return;
  page.camera = camera;
  at("picture").removeAttribute("src");
  at("seen-at").textContent = "";
  say("");
  await load();
}

async function load() {
  const found = await (await ask(`/api/cameras/${page.camera}/places`)).json();
  page.version = found.version;
  editor.chosen = -1;
  editor.show(toShapes(found.places));
  page.saved = JSON.stringify(toPlaces(editor.shapes));
  editor.use("");
  listShapes();
}

const changed = () => JSON.stringify(toPlaces(editor.shapes)) !== page.saved;

// --- The list beside the picture ---

function listShapes() {
  const list = at("list");
  at("none").hidden = editor.shapes.length > 0;
  at("save").disabled = page.waiting || !changed();
  at("undo").disabled = page.waiting || !changed();
  const focused = document.activeElement;
  if (list.children.length === editor.shapes.length && list.contains(focused) && focused.tagName !== "BUTTON") {
    // Somebody types: the fields stay, and what follows from them changes.
    [...list.children].forEach((row, index) => {
      row.querySelector(".swatch").className = `swatch ${editor.shapes[index].type}`;
      showWhere(row.querySelector(".where"), editor.shapes[index]);
    });
    return;
  }
  list.replaceChildren(...editor.shapes.map(row));
}

function showWhere(field, shape) {
  if (field !== document.activeElement) {
    field.value = shape.points.map(([x, y]) => `${x} ${y}`).join(", ");
    field.setAttribute("aria-invalid", "false");
  }
}

function row(shape, index) {
  const item = document.createElement("li");
  item.className = index === editor.chosen ? "chosen" : "";
  const swatch = document.createElement("i");
  swatch.className = `swatch ${shape.type}`;
  const what = document.createElement("span");
  what.className = "what";
  if (ZONE_TYPES.includes(shape.type)) what.append(nameOf(shape), typeOf(shape));
  else what.append(TYPES[shape.type]);
  const remove = document.createElement("button");
  remove.type = "button";
  remove.textContent = "Delete";
  remove.setAttribute("aria-label", `Delete ${TYPES[shape.type]} ${shape.name}`);
  remove.addEventListener("click", () => {
    editor.shapes.splice(index, 1);
    editor.chosen = -1;
    editor.draw();
    listShapes();
  });
  item.append(swatch, what, remove, whereOf(shape));
  item.addEventListener("focusin", () => {
    editor.choose(index);
    [...at("list").children].forEach((one, place) => one.classList.toggle("chosen", place === index));
  });
  return item;
}

function nameOf(shape) {
  const field = document.createElement("input");
  field.value = shape.name;
  field.maxLength = 63;
  field.setAttribute("aria-label", "Name of the zone");
  field.addEventListener("input", () => {
    const good = /^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(field.value);
    field.setAttribute("aria-invalid", String(!good));
    shape.name = field.value;
    editor.draw();
    listShapes();
  });
  return field;
}

function typeOf(shape) {
  const field = document.createElement("select");
  field.setAttribute("aria-label", "Kind of the zone");
  for (const type of ZONE_TYPES) field.append(new Option(TYPES[type], type, false, type === shape.type));
  field.addEventListener("change", () => {
    shape.type = field.value;
    editor.draw();
    listShapes();
  });
  return field;
}

function whereOf(shape) {
  const field = document.createElement("input");
  field.className = "where";
  field.spellcheck = false;
  field.setAttribute("aria-label", `Corners of ${TYPES[shape.type]} ${shape.name}, each x y from the top left, 0 to 1`);
  showWhere(field, shape);
  field.addEventListener("input", () => {
    const points = field.value.split(",").map((pair) => pair.trim().split(/\s+/).map(Number));
    const least = shape.type === "entrance" ? shape.points.length === 3 && points.length === 3 : points.length > 2;
    const good = least && points.every((pair) => pair.length === 2 && pair.every((value) => value >= 0 && value <= 1));
    field.setAttribute("aria-invalid", String(!good));
    if (!good) return;
    shape.points = points;
    editor.draw();
    listShapes();
  });
  return field;
}

// --- Tools, saving ---

for (const button of at("tools").children) {
  button.addEventListener("click", (event) => {
    // A click by the keyboard has no place: there is nothing to click corners with either.
    if (event.detail === 0 && button.dataset.tool) editor.insertInTheMiddle(button.dataset.tool);
    else editor.use(button.dataset.tool);
  });
}

at("undo").addEventListener("click", () => load().then(() => say("")).catch(tell));

at("save").addEventListener("click", async () => {
  const camera = page.camera;
  const places = toPlaces(editor.shapes);
  page.waiting = true;
  listShapes();
  say("Saving…");
  try {
    await ask(`/api/cameras/${camera}/places`, "PUT", { version: page.version, places });
    page.saved = JSON.stringify(places);
    say("Saved. The daemon takes it over…");
    await takenOver(camera);
  } catch (error) {
    tell(error);
  } finally {
    page.waiting = false;
    listShapes();
  }
});

async function takenOver(camera) {
  const until = Date.now() + TAKEN_OVER_WITHIN_MS;
  while (Date.now() < until && camera === page.camera) {
    const found = await (await ask(`/api/cameras/${camera}/places`)).json();
    page.version = found.version;
    if (found.taken_over) {
      say("Saved, and taken over by the daemon.", "good");
      return;
    }
    if (found.problem) throw new Problem(`Saved, but the daemon keeps its old configuration: ${found.problem}`);
    await sleep(300);
  }
  if (camera === page.camera) throw new Problem("Saved, but the daemon has not taken it over; look into its log.");
}

// --- The picture ---

async function showPicture(camera) {
  const answer = await ask(`/api/cameras/${camera}/picture`);
  if (answer.status !== 200 || camera !== page.camera) return;
  const address = URL.createObjectURL(await answer.blob());
  const before = at("picture").src;
  at("picture").src = address;
  await at("picture").decode().catch(() => {});
  if (before) URL.revokeObjectURL(before);
  const size = answer.headers.get("X-Size").split("x").map(Number);
  if (String(size) !== String(editor.size)) editor.show(editor.shapes, size);
  const seen = new Date(Number(answer.headers.get("X-Captured-At-S")) * 1000);
  at("seen-at").textContent = `${size.join(" × ")}, captured ${seen.toLocaleTimeString()}`;
}

async function showPictures() {
  for (;;) {
    const began = Date.now();
    if (page.camera !== null && !document.hidden) {
      await showPicture(page.camera).catch((error) => { if (!(error instanceof Problem)) tell(error); });
    }
    await sleep(Math.max(50, PICTURE_EVERY_MS - (Date.now() - began)));
  }
}

async function showStates() {
  for (;;) {
    await sleep(STATE_EVERY_MS);
    if (page.camera === null || document.hidden) continue;
    try {
      showState(await (await ask("/api/state")).json());
      await showSnapshots();
    } catch (error) {
      if (!at("panel").hidden) tell(error);
    }
  }
}

async function showSnapshots() {
  at("snapshots").hidden = page.snapshots === "off";
  if (page.snapshots === "off") return;
  const shots = await (await ask("/api/snapshots")).json();
  const there = new Map([...at("shots").children].map((figure) => [figure.dataset.alert, figure]));
  at("shots").replaceChildren(...shots.slice(0, 60).map((shot) => there.get(shot.alert_id) ?? figureOf(shot)));
}

function figureOf(shot) {
  const figure = document.createElement("figure");
  figure.dataset.alert = shot.alert_id;
  const image = document.createElement("img");
  image.src = `/api/snapshots/${shot.alert_id}`;
  image.alt = `Customer of alert ${shot.alert_id}`;
  image.loading = "lazy";
  const caption = document.createElement("figcaption");
  caption.textContent = `${new Date(shot.at_s * 1000).toLocaleString()} ${shot.alert_id}`;
  figure.append(image, caption);
  return figure;
}

// --- Begin ---

at("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("refused").textContent = "";
  try {
    await ask("/api/login", "POST", { password: at("password").value });
    at("password").value = "";
    await enter();
  } catch (error) {
    at("refused").textContent = error instanceof Problem ? error.message : "The daemon does not answer; is it running?";
  }
});
at("leave").addEventListener("click", () => ask("/api/logout", "POST").then(showLogin).catch(tell));
window.addEventListener("resize", () => editor.draw());
window.addEventListener("beforeunload", (event) => { if (page.camera !== null && changed()) event.preventDefault(); });

editor.use("");
enter().catch((error) => { if (!(error instanceof Problem)) showLogin(); });
showPictures();
showStates();
