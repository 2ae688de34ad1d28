/** What picture.ts and its process agree on. */

/** Pages draw a logo 44 CSS pixels wide; this is enough for three device pixels each. */
export const LOGO_SIDE = 132;

/** 64 MB when each pixel has four bytes. */
export const MAX_PIXELS = 4_096 * 4_096;

/** Of a processor: an ordinary picture takes less than one, however busy the machine is. */
export const CPU_SECONDS = 3;

/** Exit codes beside 0. Node itself ends with 1 to 13, and with 128 and more for signals. */
export const EXIT = { notAnImage: 65, tooManyPixels: 66, noLibrary: 67 } as const;
