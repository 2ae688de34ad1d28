import { type IncomingMessage, ServerResponse } from 'node:http';

/**
 * Responses that, while the server stops, tell whoever keeps a connection that nobody will be on it: without that, each that is kept
 * would hold up the end (RFC 9112 section 9.6). Asked when an answer leaves, whoever writes it. For createServer()'s `ServerResponse`.
 */
export function drainingResponse(isClosing: () => boolean): typeof ServerResponse<IncomingMessage> {
  return class extends ServerResponse<IncomingMessage> {
    override writeHead(...parameters: unknown[]): this {
      if (isClosing() && !this.headersSent) this.setHeader('Connection', 'close');
      return super.writeHead(...(parameters as [number]));
    }
  };
}
