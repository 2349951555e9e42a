/** Where a user logs in. Name and password go to the server once; the token that it gives is kept in memory only. */
import { explain, type Api } from './api.ts';
import { el, field, setText } from './dom.ts';

export function loginPage(api: Api, reason: string, onDone: (user: string) => void): HTMLElement {
  const name = el<HTMLInputElement>('input', { type: 'text', name: 'user', autocomplete: 'username', required: true });
  const password = el<HTMLInputElement>('input', {
    type: 'password',
    name: 'password',
    autocomplete: 'current-password',
  });
  const message = el('p.message', { role: 'alert' }, reason);
  const submit = el<HTMLButtonElement>('button.primary', { type: 'submit' }, 'Log in');
  const form = el('form.card', {}, el('h2', {}, 'Log in'), message, field('User', name), field('Password', password));
  form.append(submit);
  const logIn = async (): Promise<void> => {
    submit.disabled = true;
    try {
      await api.logIn(name.value, password.value);
      onDone(name.value);
    } catch (error) {
      setText(message, explain(error));
      submit.disabled = false;
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void logIn();
  });
  return el('main.login', {}, form);
}
