/** Time, as an argument: tests turn it by hand. */
export interface Clock {
  /** Milliseconds since the epoch, never backwards. */
  now(): number;
  /** Calls once, after so many milliseconds; gives what takes the call back. */
  after(ms: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};
