import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;

// Fields that are never logged in any object, so that nobody can steal credentials from a log.
const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'set-cookie',
  'code',
  'access_token',
  'refresh_token',
  'id_token',
  'token',
  'client_secret',
  'password',
  'client_assertion',
  'registration_access_token',
];

/** Writes one JSON object a line. @param destination where lines go; standard output by default. */
export function createLog(level: string, destination?: DestinationStream): Log {
  return pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'msg',
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [`["${field}"]`, `*["${field}"]`]), censor: '[redacted]' },
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
}
