import { type IncomingHttpHeaders, request } from 'node:http';
import type { TestServer } from './environment.ts';

/** A GET of a browser that says that it navigates (Fetch Metadata), which fetch does not let anyone say. No redirect is followed. */
export function navigate(server: TestServer, path: string): Promise<{ status: number; headers: IncomingHttpHeaders; html: string }> {
  const headers = { host: new URL(server.issuer).host, accept: 'text/html', 'accept-language': 'en', 'sec-fetch-mode': 'navigate' };
  return new Promise((resolve, reject) => {
    const sent = request({ host: server.config.host, port: server.config.port, path, headers }, (response) => {
      let html = '';
      response.setEncoding('utf8').on('data', (chunk) => (html += chunk));
      response.on('end', () => resolve({ status: Number(response.statusCode), headers: response.headers, html }));
    });
    sent.on('error', reject).end();
  });
}
