"""The pages of people: signing in and out, everybody's own profile, and all accounts for administrators."""

from __future__ import annotations

from django.urls import path

from aiops.people.pages import directory, profile, signing_in

urlpatterns = [
    path("sign-in/", signing_in.SignIn.as_view(), name="sign-in"),
    path("sign-out/", signing_in.SignOut.as_view(), name="sign-out"),
    path("people/", directory.list_, name="people"),
    path("people/new/", directory.create, name="people-new"),
    path("people/<uuid:person_id>/", directory.page, name="person"),
    path("people/<uuid:person_id>/change/", directory.change, name="person-change"),
    path("profile/", profile.page, name="profile"),
    path("profile/password/", profile.change_password, name="profile-password"),
    path("profile/tokens/", profile.create_token, name="profile-tokens"),
    path("profile/tokens/<uuid:pk>/revoke/", profile.revoke_token, name="profile-token-revoke"),
    path("profile/sessions/<uuid:pk>/end/", profile.end_session, name="profile-session-end"),
]
