// What components share: the time that goes by, the board, the place in the address.
import { useEffect, useState } from "preact/hooks";
import type { Board, Standing } from "./board";
import { now } from "./clock";

/** Now, again each second. */
export function useNow(): number {
  const [time, setTime] = useState(now());
  useEffect(() => {
    const timer = setInterval(() => setTime(now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return time;
}

export function useStanding(board: Board): Standing {
  const [standing, setStanding] = useState(board.current());
  useEffect(() => {
    setStanding(board.current());
    return board.subscribe(setStanding);
  }, [board]);
  return standing;
}

/** Where one is: `#/`, `#/ended`, `#/requests/apr_…`. Nothing secret ever stands there. */
export type Place = { view: "waiting" } | { view: "ended" } | { view: "request"; id: string };

export function placeOf(hash: string): Place {
  const request = /^#\/requests\/(apr_[0-9A-Za-z]+)$/.exec(hash)?.[1];
  if (request !== undefined) return { view: "request", id: request };
  return hash === "#/ended" ? { view: "ended" } : { view: "waiting" };
}

export function usePlace(): Place {
  const [place, setPlace] = useState(placeOf(location.hash));
  useEffect(() => {
    const moved = () => setPlace(placeOf(location.hash));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return place;
}
