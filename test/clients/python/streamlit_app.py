"""Streamlit's st.login as its documentation shows it. Its settings are in secrets.toml."""

import streamlit as st

if not st.user.is_logged_in:
    st.button("Log in", on_click=st.login)
else:
    st.json(dict(st.user))
    st.button("Log out", on_click=st.logout)
