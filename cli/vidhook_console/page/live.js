// Hooks: what is loaded again and again, the time, and the address.

import { useCallback, useEffect, useRef, useState } from "./vendor/preact-htm.js";
import { token } from "./api.js";

const SLOWEST = 60, AGAIN = 2;

/**
 * Loads now, then every so many seconds (a number, or what a function of the data says; 0: once there is an answer), never
 * twice at a time, and not while nobody looks. After a failure it waits longer each time, and keeps what it had.
 *
 * Returns { data, problem, reload }.
 */
export function useLive(load, every, deps) {
  const [state, set] = useState({});
  const again = useRef(() => {});
  useEffect(() => {
    const control = new AbortController();
    let timer, data, failures = 0, loading = false, wanted = false, lost = false;
    const run = async () => {
      clearTimeout(timer);
      if (loading) return void (wanted = true);
      loading = true;
      try {
        data = await load(control.signal);
        failures = 0;
        lost = false;
        if (!control.signal.aborted) set({ data });
      } catch (problem) {
        failures += 1;
        lost = !problem.status || problem.status >= 500 || problem.status === 429;
        if (!control.signal.aborted) set({ data, problem });
      }
      loading = false;
      if (control.signal.aborted) return;
      if (wanted) return (wanted = false), run();
      const seconds = (typeof every === "function" ? every(data) : every) || (lost ? AGAIN : 0);
      if (seconds && !document.hidden) timer = setTimeout(run, Math.min(seconds * 2 ** failures, Math.max(seconds, SLOWEST)) * 1000);
    };
    const seen = () => !document.hidden && (every || lost) && run();
    set({});
    again.current = run;
    run();
    document.addEventListener("visibilitychange", seen);
    return () => {
      control.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, deps);
  return { ...state, reload: useCallback(() => again.current(), []) };
}

/** Returns the time in unix seconds, anew each second. */
export function useNow() {
  const [now, set] = useState(Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => set(Date.now() / 1000), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

const MOVED = "vidhook:moved";

/** Shows another address of this page. With `replace` the browser's way back does not lead to the one before. */
export function go(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"]({ token }, "", address);
  dispatchEvent(new Event(MOVED));
}

/** Returns the address: { path, query }. */
export function useAddress() {
  const read = () => ({ path: location.pathname, query: Object.fromEntries(new URLSearchParams(location.search)) });
  const [address, set] = useState(read);
  useEffect(() => {
    const moved = () => set(read());
    addEventListener("popstate", moved);
    addEventListener(MOVED, moved);
    return () => {
      removeEventListener("popstate", moved);
      removeEventListener(MOVED, moved);
    };
  }, []);
  return address;
}

/** Returns a function that is called with the pressed key wherever no text is typed and no dialog is open. */
export function useKeys(keys) {
  const known = useRef(keys);
  known.current = keys;
  useEffect(() => {
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (event.target.closest("input, textarea, select, dialog")) return;
      const act = known.current[event.key];
      if (act && act(event) !== false) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
