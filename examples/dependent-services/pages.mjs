import { html, page } from './web.mjs';
import { WORDS } from './words.mjs';

/** What people see of the app. No token is in any page. */

const site = 'madang';
const button = (action, label, kind = '') => html`<form method="post" action="${action}"><button class="${kind}">${label}</button></form>`;
const again = (label) => html`<a class="button" href="/">${label}</a>`;

export function welcomePage({ language, note }) {
  const words = WORDS[language];
  const body = html`
    <p class="brand">◰ ${words.name}</p>
    ${note && html`<p class="notice" role="status">${words.notes[note]}</p>`}
    <h1>${words.welcome}</h1>
    <p class="quiet">${words.promise}</p>
    ${button('/sign-in', words.signIn, 'solid')}`;
  return page({ site, language, title: words.name, body });
}

export function messagePage({ language, what, status }) {
  const words = WORDS[language];
  const body = html`<p class="brand">◰ ${words.name}</p><h1>${words.notes[what]}</h1>${again(words.back)}`;
  return page({ site, language, title: words.name, body, status });
}

export function homePage({ language, session, services }) {
  const words = WORDS[language];
  const { name, preferred_username: username, email } = session.person;
  const shown = name ?? username ?? email ?? session.person.sub;
  const body = html`
    <p class="brand">◰ ${words.name}</p>
    <section class="person" aria-label="${words.profile}">
      <span class="initial" aria-hidden="true">${[...shown][0]}</span>
      <div><h1><bdi>${shown}</bdi></h1><p class="quiet"><bdi>${email ?? username}</bdi></p></div>
      ${button('/sign-out', words.signOut)}
    </section>
    <h2>${words.services}</h2>
    ${services.map((service) => serviceCard(words, service))}
    <p class="after">${again(words.reload)}</p>`;
  return page({ site, language, title: words.name, body });
}

function serviceCard(words, service) {
  const { title, show } = words.service[service.name];
  const state = words.states[service.kind];
  return html`
    <section class="card ${service.kind}" id="${service.name}" data-state="${service.kind}">
      <h3>${title} <span class="tag">${state.tag}</span></h3>
      ${service.kind === 'answers' ? answers(words, service, show) : html`<p>${state.sentence(title)}</p>`}
      ${service.kind === 'person-needed' && html`<p><a class="button solid" href="${service.url}">${state.act(title)}</a></p>`}
      ${(service.kind === 'not-allowed' || service.kind === 'refused') && button('/allow', state.act(title), 'solid')}
    </section>`;
}

function answers(words, { me, data, expiresIn, scope }, show) {
  return html`
    ${show({ me, data })}
    <p class="quiet small">${words.token(expiresIn, scope)}</p>`;
}
