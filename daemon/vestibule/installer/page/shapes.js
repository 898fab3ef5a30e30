// Lines, zones and masks on the picture: drawn and moved with mouse, finger or keyboard. Places are fractions of the picture.

const SVG = "http://www.w3.org/2000/svg";
const NEAR_PX = 14;
const HANDLE_PX = 7;
const SNAP = 0.008;

export const TYPES = {
  entrance: "Entrance line",
  area: "Area",
  staff: "Staff",
  ignore: "Ignore",
  mask: "Privacy mask",
};
const HINTS = {
  "": "Drag a corner to move it; or give it the focus, and use the arrow keys.",
  entrance: "Click both ends of the line on the floor, then a point on the inner side of the store.",
  polygon: "Click the corners one after the other; the first again, a double click or Enter closes it. Escape gives up.",
};

const round = (value) => Math.round(Math.min(1, Math.max(0, value)) * 10000) / 10000;

// The picture's edge is hard to hit, and a mask is to reach it.
const snap = (value) => (value < SNAP ? 0 : value > 1 - SNAP ? 1 : round(value));

// A shape is {type, name, points, hysteresis}; an entrance's points are both ends and the inside point.
export function toShapes(places) {
  const shapes = [];
  if (places.entrance) {
    const { line, inside, hysteresis } = places.entrance;
    shapes.push({ type: "entrance", name: "", points: [...line, inside], hysteresis });
  }
  for (const { name, kind, polygon } of places.zones) shapes.push({ type: kind, name, points: polygon });
  for (const { polygon } of places.masks) shapes.push({ type: "mask", name: "", points: polygon });
  return structuredClone(shapes);
}

export function toPlaces(shapes) {
  const line = shapes.find((shape) => shape.type === "entrance");
  const zones = shapes.filter((shape) => !["entrance", "mask"].includes(shape.type));
  const masks = shapes.filter((shape) => shape.type === "mask");
  return {
    entrance: line
      ? { line: line.points.slice(0, 2), inside: line.points[2], ...(line.hysteresis ? { hysteresis: line.hysteresis } : {}) }
      : null,
    zones: zones.map(({ type, name, points }) => ({ name, kind: type, polygon: points })),
    masks: masks.map(({ points }) => ({ polygon: points })),
  };
}

export class Editor {
  // changed(): shapes are others; used(tool, hint): another tool is in use.
  constructor(svg, changed, used) {
    this.svg = svg;
    this.changed = changed;
    this.used = used;
    this.shapes = [];
    this.size = [16, 9];
    this.tool = "";
    this.draft = [];
    this.cursor = null;
    this.chosen = -1;
    this.dragged = null;
    svg.addEventListener("pointerdown", (event) => this.press(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerup", () => { this.dragged = null; });
    svg.addEventListener("pointercancel", () => { this.dragged = null; });
    svg.addEventListener("dblclick", () => this.close());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  show(shapes, size) {
    this.shapes = shapes;
    this.size = size ?? this.size;
    this.draw();
  }

  use(tool) {
    this.tool = tool;
    this.draft = [];
    this.used(tool, HINTS[tool === "" || tool === "entrance" ? tool : "polygon"]);
    this.draw();
  }

  choose(index) {
    this.chosen = index;
    this.draw();
  }

  scale() {
    const box = this.svg.getBoundingClientRect();
    return this.size[0] / (box.width || 1);
  }

  place(event) {
    const box = this.svg.getBoundingClientRect();
    return [snap((event.clientX - box.left) / box.width), snap((event.clientY - box.top) / box.height)];
  }

  press(event) {
    if (event.button !== 0) return;
    const handle = event.target.dataset;
    if (this.tool) {
      event.preventDefault();
      this.add(this.place(event));
    } else if (handle.corner !== undefined) {
      this.dragged = [Number(handle.shape), Number(handle.corner)];
      this.chosen = this.dragged[0];
      this.svg.setPointerCapture(event.pointerId);
      this.changed();
    } else if (handle.shape !== undefined) {
      this.chosen = Number(handle.shape);
      this.changed();
      this.draw();
    }
  }

  move(event) {
    if (this.dragged) {
      const [shape, corner] = this.dragged;
      this.shapes[shape].points[corner] = this.place(event);
      this.changed();
      this.draw();
    } else if (this.tool && this.draft.length) {
      this.cursor = this.place(event);
      this.draw();
    }
  }

  near(first, second) {
    const box = this.svg.getBoundingClientRect();
    return Math.hypot((first[0] - second[0]) * box.width, (first[1] - second[1]) * box.height) < NEAR_PX;
  }

  add(point) {
    const polygon = this.tool !== "entrance";
    if (polygon && this.draft.length > 2 && this.near(point, this.draft[0])) {
      this.finish();
      return;
    }
    if (this.draft.length && this.near(point, this.draft.at(-1))) return; // the second half of a double click
    this.draft.push(point);
    this.cursor = null;
    if (!polygon && this.draft.length === 3) this.finish();
    else this.draw();
  }

  close() {
    if (this.tool && this.tool !== "entrance" && this.draft.length > 2) this.finish();
  }

  finish() {
    this.insert(this.tool, this.draft);
    this.use("");
  }

  // Without a mouse: something in the middle, to be moved with the arrow keys or by its coordinates.
  insertInTheMiddle(type) {
    const points = type === "entrance"
      ? [[0.3, 0.6], [0.7, 0.6], [0.5, 0.8]]
      : [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]];
    this.insert(type, points);
    this.use("");
  }

  insert(type, points) {
    if (type === "entrance") this.shapes = this.shapes.filter((shape) => shape.type !== "entrance");
    const names = new Set(this.shapes.map((shape) => shape.name));
    let number = 1;
    while (names.has(`${type}-${number}`)) number += 1;
    const name = ["entrance", "mask"].includes(type) ? "" : `${type}-${number}`;
    this.shapes.push({ type, name, points });
    this.chosen = this.shapes.length - 1;
    this.changed();
  }

  key(event) {
    const typing = event.target.closest?.("input, select, textarea");
    if (this.tool && !typing) {
      if (event.key === "Escape") this.use("");
      else if (event.key === "Backspace" && this.draft.length) this.draft.pop();
      else if (event.key === "Enter" && this.draft.length > 2) this.close();
      else return;
      event.preventDefault();
      this.draw();
      return;
    }
    const { shape, corner } = event.target.dataset ?? {};
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (corner === undefined || !step) return;
    event.preventDefault();
    const by = event.shiftKey ? 0.05 : 0.005;
    const points = this.shapes[shape].points;
    points[corner] = points[corner].map((value, axis) => round(value + step[axis] * by));
    this.changed();
    this.draw();
    this.svg.querySelector(`[data-shape="${shape}"][data-corner="${corner}"]`)?.focus();
  }

  draw() {
    const [width, height] = this.size;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.classList.toggle("drawing", this.tool !== "");
    const focused = document.activeElement?.dataset ?? {};
    const elements = this.shapes.flatMap((shape, index) => this.elements(shape, index));
    if (this.draft.length) {
      const points = this.cursor ? [...this.draft, this.cursor] : this.draft;
      elements.push(this.element("polyline", { class: `shape draft ${this.tool}`, points: this.path(points) }));
      for (const point of this.draft) elements.push(this.dot(point));
    }
    this.svg.replaceChildren(...elements);
    if (focused.corner !== undefined && this.svg.contains(document.activeElement) === false) {
      this.svg.querySelector(`[data-shape="${focused.shape}"][data-corner="${focused.corner}"]`)?.focus();
    }
  }

  elements(shape, index) {
    const chosen = index === this.chosen ? " chosen" : "";
    const own = { "data-shape": index };
    const called = TYPES[shape.type] + (shape.name ? ` ${shape.name}` : "");
    const found = [];
    if (shape.type === "entrance") {
      const [start, end, inside] = shape.points;
      const middle = [(start[0] + end[0]) / 2, (start[1] + end[1]) / 2];
      found.push(this.element("polyline", { class: "shape inside", points: this.path([middle, inside]), ...own }));
      found.push(this.element("polyline", { class: `shape entrance${chosen}`, points: this.path([start, end]), ...own }));
      found.push(this.text("inside", inside));
    } else {
      found.push(this.element("polygon", { class: `shape ${shape.type}${chosen}`, points: this.path(shape.points), ...own }));
      found.push(this.text(shape.name || "mask", shape.points[0]));
    }
    shape.points.forEach((point, corner) => {
      const what = shape.type === "entrance" && corner === 2 ? "inside point" : `corner ${corner + 1}`;
      const more = { ...own, "data-corner": corner, tabindex: 0, role: "button", "aria-label": `${called}, ${what}` };
      found.push(this.dot(point, more));
    });
    return found;
  }

  path(points) {
    return points.map(([x, y]) => `${x * this.size[0]},${y * this.size[1]}`).join(" ");
  }

  dot([x, y], more = {}) {
    const radius = HANDLE_PX * this.scale();
    return this.element("circle", { class: "handle", cx: x * this.size[0], cy: y * this.size[1], r: radius, ...more });
  }

  text(words, [x, y]) {
    const scale = this.scale();
    const element = this.element("text", {
      class: "name", x: x * this.size[0] + 10 * scale, y: y * this.size[1] - 8 * scale, "font-size": 14 * scale,
    });
    element.textContent = words;
    return element;
  }

  element(name, attributes) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }
}
