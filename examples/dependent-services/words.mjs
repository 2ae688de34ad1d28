import { html } from './web.mjs';

/** Every sentence of the app, in both of its languages. */

const lasting = (seconds, minutes, short) => (seconds < 120 ? `${Math.round(seconds)}${short}` : `${Math.round(seconds / 60)}${minutes}`);
const list = (items) => html`<ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`;

export const WORDS = {
  ko: {
    name: '마당',
    welcome: '흩어진 서비스를 한곳에서 보세요',
    promise: '문지기로 로그인하면 하루와 메모장을 함께 보여 드려요. 마당은 비밀번호를 볼 수 없고, 언제든 연결을 끊을 수 있어요.',
    signIn: '문지기로 로그인',
    signOut: '로그아웃',
    profile: '내 프로필',
    services: '연결된 서비스',
    reload: '다시 불러오기',
    back: '처음으로',
    token: (seconds, scope) =>
      `${seconds === undefined ? '' : `${lasting(seconds, '분', '초')} 더 쓸 수 있는 `}내 토큰으로 불러왔어요: ${scope}`,
    service: {
      haru: {
        title: '하루',
        show: ({ me, data }) => html`
          ${me && html`<p>하루에서는 <b><bdi>${me.username}</bdi></b> 님이에요.</p>`}
          ${data && html`<p>하루에 있는 데이터를 읽었어요: <q lang="en">${data.data}</q></p>`}`,
      },
      notes: {
        title: '메모장',
        show: ({ me, data }) => html`
          ${me && html`<p>메모장에서는 <b><bdi>${me.name}</bdi></b> 님이에요.</p>`}
          ${data && list(data.notes)}`,
      },
    },
    states: {
      answers: { tag: '연결됨' },
      'person-needed': {
        tag: '확인 필요',
        sentence: (title) => `${title} 서비스에서 다시 확인이 필요해요. 한 번만 다녀오면 돼요.`,
        act: (title) => `${title} 다시 연결`,
      },
      'not-allowed': {
        tag: '허용 안 함',
        sentence: (title) => `마당이 ${title} 서비스를 이용하도록 허용하지 않았어요.`,
        act: (title) => `${title} 허용하기`,
      },
      refused: {
        tag: '거절됨',
        sentence: (title) => `${title} 서비스가 토큰을 받아 주지 않았어요. 거기에서 연결을 끊었을 수 있어요.`,
        act: (title) => `${title} 다시 허용하기`,
      },
      unavailable: { tag: '응답 없음', sentence: (title) => `지금 ${title} 서비스가 응답하지 않아요. 잠시 뒤에 다시 불러와 주세요.` },
    },
    notes: {
      sessionOver: '문지기에서 연결이 끝났어요. 계속하려면 다시 로그인해 주세요.',
      signInGone: '이 로그인은 끝났거나 다른 브라우저에서 시작했어요. 처음부터 다시 시작해 주세요.',
      signInFailed: '로그인하지 못했어요. 처음부터 다시 시작해 주세요.',
      munjigiAway: '지금 문지기가 응답하지 않아요. 로그인은 그대로 있으니 잠시 뒤에 다시 와 주세요.',
      foreignForm: '이 요청은 마당의 페이지에서 오지 않았어요.',
    },
  },
  en: {
    name: 'Madang',
    welcome: 'Your scattered services, in one place',
    promise:
      'Sign in with Munjigi, and Madang shows you Haru and Notes side by side. It never sees a password, and you can disconnect it at any time.',
    signIn: 'Sign in with Munjigi',
    signOut: 'Sign out',
    profile: 'Your profile',
    services: 'Connected services',
    reload: 'Load again',
    back: 'Back to the beginning',
    token: (seconds, scope) =>
      `Read by your own token there${seconds === undefined ? '' : `, good for ${lasting(seconds, ' min', ' s')}`}: ${scope}`,
    service: {
      haru: {
        title: 'Haru',
        show: ({ me, data }) => html`
          ${me && html`<p>There you are <b><bdi>${me.username}</bdi></b>.</p>`}
          ${data && html`<p>Your data there says: <q>${data.data}</q></p>`}`,
      },
      notes: {
        title: 'Notes',
        show: ({ me, data }) => html`
          ${me && html`<p>There you are <b><bdi>${me.name}</bdi></b>.</p>`}
          ${data && list(data.notes)}`,
      },
    },
    states: {
      answers: { tag: 'Connected' },
      'person-needed': {
        tag: 'Needs you',
        sentence: (title) => `${title} wants to hear from you again. One visit is enough.`,
        act: (title) => `Connect ${title} again`,
      },
      'not-allowed': {
        tag: 'Not allowed',
        sentence: (title) => `You have not allowed Madang to use ${title}.`,
        act: (title) => `Allow ${title}`,
      },
      refused: {
        tag: 'Refused',
        sentence: (title) => `${title} did not take the token. Perhaps you disconnected it there.`,
        act: (title) => `Allow ${title} again`,
      },
      unavailable: { tag: 'No answer', sentence: (title) => `${title} does not answer now. Load again in a while.` },
    },
    notes: {
      sessionOver: 'Munjigi has ended the connection. Sign in again to go on.',
      signInGone: 'This sign-in is over, or began in another browser. Begin again.',
      signInFailed: 'You were not signed in. Begin again.',
      munjigiAway: 'Munjigi does not answer now. You are still signed in here: come back in a while.',
      foreignForm: 'This request did not come from a page of Madang.',
    },
  },
};
