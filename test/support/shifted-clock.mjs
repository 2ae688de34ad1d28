/** For `node --import`: the clock of this process is off by CLOCK_SHIFT_MS, as if somebody had set that of its machine. */
const shiftMs = Number(process.env.CLOCK_SHIFT_MS);
const Real = Date;

globalThis.Date = class extends Real {
  constructor(...parts) {
    if (parts.length) super(...parts);
    else super(Real.now() + shiftMs);
  }

  static now() {
    return Real.now() + shiftMs;
  }
};
