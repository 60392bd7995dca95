// The time axis of a task: what happened in lanes below each other, with long pauses drawn short.

import { html, useEffect, useRef } from "./vendor/preact-htm.js";
import { day, span, time } from "./words.js";

const NEAR = 22, FAR = 150, EDGE = 48, LABEL = 92;

/**
 * Returns where instants are on the axis, in pixels, by instant: in their order, at least a mark's width apart, those
 * of `lines` a label's width, and a pause of an hour only a few times as wide as one of a second.
 */
export function positions(instants, lines = []) {
  const sorted = [...new Set([...instants, ...lines])].sort((a, b) => a - b), labelled = new Set(lines), places = new Map();
  let x = EDGE, label = -LABEL;
  for (const [index, at] of sorted.entries()) {
    if (index) x += Math.min(FAR, NEAR + 18 * Math.log1p(at - sorted[index - 1]));
    if (labelled.has(at)) label = x = Math.max(x, label + LABEL);
    places.set(at, Math.round(x));
  }
  return { places, width: Math.round(x) + EDGE };
}

/**
 * The axis. `lanes` are { name, label, path, title, marks, pauses }; a mark is { key, at, tone, label, text, open }, a pause { from, to,
 * text, why }. `lines` are { at, label }, instants of the whole task.
 */
export function Axis({ lanes, lines, chosen, choose }) {
  const scroll = useRef(null), marks = lanes.flatMap((lane) => lane.marks);
  const { places, width } = positions(marks.map((mark) => mark.at), lines.map((line) => line.at));
  useEffect(() => {
    const axis = scroll.current, mark = axis?.querySelector('[aria-pressed="true"]');
    if (!mark) return;
    const names = axis.querySelector(".lane-name").offsetWidth, room = axis.clientWidth - names, at = mark.offsetLeft;
    if (at - axis.scrollLeft < NEAR || at - axis.scrollLeft > room - NEAR) axis.scrollLeft = at - room / 2;
    const lane = mark.closest(".lane"), top = lane.offsetTop - axis.scrollTop;
    if (top < lane.offsetHeight || top > axis.clientHeight - lane.offsetHeight) axis.scrollTop = lane.offsetTop - axis.clientHeight / 2;
  }, [chosen]);
  const step = (event) => {
    const lane = lanes.findIndex((each) => each.marks.some((mark) => mark.key === chosen));
    if (lane < 0) return;
    const own = [...lanes[lane].marks].sort((a, b) => a.at - b.at), index = own.findIndex((mark) => mark.key === chosen);
    const along = { ArrowLeft: -1, ArrowRight: 1 }[event.key], across = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    let next = along ? own[index + along] : undefined;
    for (let other = lane + (across ?? 0); across && !next && lanes[other]; other += across) {
      next = [...lanes[other].marks].sort((a, b) => Math.abs(a.at - own[index].at) - Math.abs(b.at - own[index].at))[0];
    }
    if (along || across) event.preventDefault();
    if (!next) return;
    choose(next.key);
    scroll.current.querySelector(`[data-key="${CSS.escape(next.key)}"]`)?.focus();
  };
  const inner = { width: `${width}px` };
  return html`<div class="axis" ref=${scroll} tabindex="-1" onKeyDown=${step} role="group" aria-label="what happened, by time; arrow keys move">
    <div class="lane ruler ${lines.some((line) => day(line.at)) ? "days" : ""}"><span class="lane-name"></span><div class="track" style=${inner}>
      ${lines.map((line) => html`<span key=${line.label} class="line" style=${{ left: `${places.get(line.at)}px` }}><span>${line.label}<br /><time>${time(line.at)}${day(line.at) && html`<br />${day(line.at)}`}</time></span></span>`)}
    </div></div>
    ${lanes.map((lane) => html`<div class="lane" key=${lane.name}>
      <span class="lane-name" title=${lane.title}>${lane.label}${lane.path && html`<small>${lane.path}</small>`}</span>
      <div class="track" style=${inner}>
        ${lines.map((line) => html`<i key=${line.label} class="guide" style=${{ left: `${places.get(line.at)}px` }}></i>`)}
        ${lane.pauses.filter((pause) => places.has(pause.from) && places.has(pause.to)).map((pause) => {
          const left = places.get(pause.from), wide = places.get(pause.to) - left;
          return html`<span key=${pause.from} class="pause" title=${pause.text} style=${{ left: `${left}px`, width: `${wide}px` }}>${wide > 60 && html`<span>${span(pause.to - pause.from)}${wide > 110 && pause.why ? ` ${pause.why}` : ""}</span>`}</span>`;
        })}
        ${lane.marks.map((mark) => html`<button type="button" key=${mark.key} data-key=${mark.key} class="mark ${mark.tone} ${mark.open ? "open" : ""}"
            style=${{ left: `${places.get(mark.at)}px` }} aria-pressed=${mark.key === chosen} aria-label="${lane.label}${lane.path ?? ""}: ${mark.label}" title=${mark.label}
            tabindex=${mark.key === chosen ? 0 : -1} onClick=${() => choose(mark.key)}>${mark.text}</button>`)}
      </div>
    </div>`)}
  </div>`;
}
