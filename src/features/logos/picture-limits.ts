/** The limits that picture.ts and its process share. */

/** Pages show a logo 44 CSS pixels wide; this suffices for three device pixels each. */
export const LOGO_SIDE = 132;

/** 64 MB when each pixel has four bytes. */
export const MAX_PIXELS = 4_096 * 4_096;

/** CPU time: an ordinary picture takes less than a second, however busy the machine is. */
export const CPU_SECONDS = 3;

/** Exit codes other than 0. Node itself uses 1 to 13, and 128 and above for signals. */
export const EXIT = { notAnImage: 65, tooManyPixels: 66, noLibrary: 67 } as const;
