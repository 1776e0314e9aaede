// What waits, kept current: a list, a watch from the list's revision on, and a look at the whole list from time to
// time, because a stream that has fallen silent looks like one on which nothing happens.
import type { ApprovalEntry } from "./gen/countersign/v1/approvals_pb";
import { problem, type Api, type Problem } from "./api";
import { isOpen } from "./words";

/** How often the whole list is fetched beside the watch; the only way of a tab that nobody sees. */
const LOOK_EVERY_MS = 15_000;

/** The longest rest between attempts to connect. */
const REST_MAX_MS = 10_000;

/** The most that one list holds; the API's own limit. */
export const PAGE_SIZE = 1000;

export interface Standing {
  /** Newest first; `undefined` until the first list has come. */
  entries: ApprovalEntry[] | undefined;
  /** `live`: changes come at once. `away`: the control plane does not answer, and what is shown may be old. */
  link: "live" | "looking" | "away";
  problem: Problem | undefined;
}

export class Board {
  private standing: Standing = { entries: undefined, link: "looking", problem: undefined };
  private readonly listeners = new Set<(standing: Standing) => void>();
  private readonly changed = new Set<(entry: ApprovalEntry) => void>();
  private readonly ended = new AbortController();
  private watching: AbortController | undefined;
  private wake: (() => void) | undefined;
  private failures = 0;

  constructor(
    private readonly api: Api,
    private readonly signedOut: (why: string) => void,
  ) {
    const signal = this.ended.signal;
    document.addEventListener("visibilitychange", this.lookAgain, { signal });
    addEventListener("offline", this.lookAgain, { signal });
    addEventListener("online", this.lookAgain, { signal });
    void this.keep();
  }

  /** Stops for good. */
  end(): void {
    this.ended.abort();
    this.watching?.abort();
    this.wake?.();
  }

  current(): Standing {
    return this.standing;
  }

  subscribe(listener: (standing: Standing) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Told of every change of every request, also of those that end. */
  onChange(listener: (entry: ApprovalEntry) => void): () => void {
    this.changed.add(listener);
    return () => this.changed.delete(listener);
  }

  /** Takes an answer over that somebody else got. */
  learn(entry: ApprovalEntry): void {
    const entries = (this.standing.entries ?? []).filter((other) => other.approval?.id !== entry.approval?.id);
    const known = (this.standing.entries ?? []).find((other) => other.approval?.id === entry.approval?.id);
    if (known && (known.approval?.revision ?? 0n) > (entry.approval?.revision ?? 0n)) return;
    if (isOpen(entry)) entries.push(entry);
    // Ids are made of the time.
    entries.sort((a, b) => ((a.approval?.id ?? "") < (b.approval?.id ?? "") ? 1 : -1));
    this.set({ entries });
    this.changed.forEach((listener) => listener(entry));
  }

  private set(change: Partial<Standing>): void {
    this.standing = { ...this.standing, ...change };
    this.listeners.forEach((listener) => listener(this.standing));
  }

  /**
   * Something has changed that says more than the time: the network came or went, or the tab is seen or not (browsers
   * open six connections to a place; a tab that nobody sees does not hold one of them).
   */
  private readonly lookAgain = (): void => {
    this.watching?.abort();
    this.wake?.();
  };

  private async keep(): Promise<void> {
    while (!this.ended.signal.aborted) {
      try {
        const revision = await this.look();
        this.failures = 0;
        if (document.hidden) await this.rest(LOOK_EVERY_MS);
        else await this.watch(revision);
      } catch (error) {
        if (this.ended.signal.aborted) return;
        const trouble = problem(error);
        if (trouble.signedOut) {
          this.signedOut(trouble.text);
          return;
        }
        this.failures += 1;
        this.set({ link: "away", problem: trouble });
        await this.rest(Math.min(REST_MAX_MS, 500 * 2 ** this.failures) * (0.5 + Math.random() / 2));
      }
    }
  }

  private async look(): Promise<bigint> {
    const signal = this.ended.signal;
    const list = await this.api.approvals.listApprovals({ pageSize: PAGE_SIZE }, { signal });
    this.set({ entries: list.approvals, link: "live", problem: undefined });
    return list.revision;
  }

  /** Follows changes for a while. Returns when it is time to look at the whole list again. */
  private async watch(revision: bigint): Promise<void> {
    const watching = new AbortController();
    this.watching = watching;
    const over = setTimeout(() => watching.abort(), LOOK_EVERY_MS);
    try {
      const signal = watching.signal;
      // The time for calls is not that of a stream.
      const changes = this.api.approvals.watchApprovals({ afterRevision: revision }, { signal, timeoutMs: 0 });
      for await (const change of changes) if (change.approval) this.learn(change.approval);
      // The server ends streams when it drains: another one answers, or this one in a moment.
      await this.rest(500);
    } catch (error) {
      if (!watching.signal.aborted) throw error;
    } finally {
      clearTimeout(over);
      watching.abort();
    }
  }

  /** Waits, at most until there is reason to look again. */
  private rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake?.(), ms);
      this.wake = () => {
        clearTimeout(timer);
        this.wake = undefined;
        resolve();
      };
    });
  }
}
