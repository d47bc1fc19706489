"""Every page with values as on a good day, and with values that a stranger chose. For the tests and the preview."""

from evergrant.issuer.pages.view import (
    HOLDER,
    PRESENTER,
    AccountPage,
    ConsentPage,
    ErrorPage,
    FamilyLine,
    FormPostPage,
    GrantLine,
    IndexPage,
    Page,
    Party,
    PasswordPage,
    ScopeLine,
    SelectAccountPage,
    SessionLine,
    SignedOutPage,
    SignInPage,
    SignOutPage,
    TheftNoticePage,
)
from evergrant.web.look.notice import Notice
from evergrant.web.look.wording import lifetime_sentence

NOW = 1_772_366_404  # 1 March 2026, 12:00:04 UTC
DAY = 86_400
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_2 like Mac OS X) AppleWebKit/605.1.15 Version/19.2 Safari/604.1"

RTL = "\u202egro.elpmaxe\u202c"
MARKUP = "\"><script>alert(1)</script><img src=x onerror=alert(2)> & '{{ 7*7 }}"
LONG = "Wolkenkuckucksheimverwaltungs" * 40
ZALGO = "L" + "\u0336\u0321\u0300\u0301\u0302\u0303\u0304" * 30 + "edger"
HOSTILE = RTL + MARKUP + LONG
LONG_HOST = (
    "accounts.google.com.security-check."
    + "a-very-long-label-of-sixty-three-characters-which-is-the-most-a-." * 3
    + "evil.example"
)

GOOD: dict[str, Page] = {
    "sign_in": SignInPage(csrf="c5Vq", flow="f_71", client_name="Ledger", client_host="ledger.example.com"),
    "sign_in_refused": SignInPage(
        csrf="c5Vq",
        flow="f_71",
        client_name="Sample application",
        client_host="127.0.0.1:51712",
        login_hint="ana@example.com",
        error="That email and password do not belong together.",
    ),
    "sign_in_wait": SignInPage(
        csrf="c5Vq",
        flow="f_71",
        client_name="Ledger",
        login_hint="ana@example.com",
        error="There were too many attempts.",
        wait_seconds=90,
    ),
    "sign_in_alone": SignInPage(csrf="c5Vq", notice="Your password was changed. Sign in with the new one."),
    "consent": ConsentPage(
        csrf="c5Vq",
        flow="f_71",
        client_name="Ledger",
        client_host="ledger.example.com",
        client_uri="https://ledger.example.com/about",
        verified=True,
        account_label="ana@example.com",
        resources=("https://api.example.com/orders",),
        scopes=(
            ScopeLine("openid", "Know who you are"),
            ScopeLine("profile", "See your name and picture"),
            ScopeLine("orders:read", "Read your orders"),
            ScopeLine("orders:write", "Place and change orders in your name"),
        ),
        lifetime=lifetime_sentence(365 * DAY, 30 * DAY, offline=True),
        offline=True,
        revoke_at="/account",
    ),
    "consent_more": ConsentPage(
        csrf="c5Vq",
        flow="f_71",
        client_name="Quick Notes",
        client_host="127.0.0.1:51712",
        verified=False,
        account_label="ana@example.com",
        scopes=(
            ScopeLine("openid", "Know who you are"),
            ScopeLine("notes:read", "Read your notes"),
            ScopeLine("notes:write", "Write notes", is_new=True),
            ScopeLine("calendar.events.readonly", is_new=True),
        ),
        lifetime=lifetime_sentence(365 * DAY, 30 * DAY, offline=False),
        offline=False,
        revoke_at="/account",
    ),
    "select_account": SelectAccountPage(
        csrf="c5Vq", flow="f_71", account_label="ana@example.com", client_name="Ledger"
    ),
    "theft_notice": TheftNoticePage(
        csrf="c5Vq",
        flow="f_71",
        client_name="Ledger",
        device_label="Firefox on Linux",
        ended_at=NOW - 2 * 3_600,
        now=NOW,
        parties=(
            Party(HOLDER, NOW - 3 * 3_600 - 17, "198.51.100.0/24", FIREFOX),
            Party(PRESENTER, NOW - 2 * 3_600, "203.0.113.0/24", "curl/8.14.1"),
        ),
    ),
    "theft_observed": TheftNoticePage(
        csrf="c5Vq",
        flow="f_71",
        client_name="Ledger",
        device_label="Unknown device",
        ended_at=NOW - 2 * 3_600,
        now=NOW,
        radius="nothing",
        parties=(
            Party(HOLDER, NOW - 3 * 3_600, "", ""),
            Party(PRESENTER, NOW - 2 * 3_600, "203.0.113.0/24", "curl/8.14.1"),
        ),
    ),
    "error": ErrorPage(
        title="This link cannot be used",
        what_happened="The application sent you here with an address that it has not registered.",
        what_to_do="Go back to the application and start again.",
        error_code="invalid_redirect_uri",
        error_id="err_6QKx3n0a",
    ),
    "signed_out": SignedOutPage(client_name="Ledger", post_logout="https://ledger.example.com/bye"),
    "signed_out_alone": SignedOutPage(),
    "sign_out": SignOutPage(csrf="c5Vq", request="r_18", client_name="Ledger", account_label="ana@example.com"),
    "form_post": FormPostPage(
        action="https://ledger.example.com/callback",
        client_name="Ledger",
        fields=(("code", "egc_5f"), ("state", "x y+z"), ("iss", "https://id.example.com")),
    ),
    "account": AccountPage(
        csrf="c5Vq",
        account_label="ana@example.com",
        now=NOW,
        notices=(Notice("Ledger on Safari on iPhone was signed out."),),
        sessions=(
            SessionLine("ses_1", "Firefox on Linux", "198.51.100.0/24", FIREFOX, NOW - 3 * DAY, NOW - 20, current=True),
            SessionLine("ses_2", "Safari on iPhone", "2001:db8:14::/48", SAFARI, NOW - 40 * DAY, NOW - 2 * 3_600),
        ),
        families=(
            FamilyLine("fam_1", "Ledger", "Firefox on Linux", "198.51.100.0/24", NOW - 240, NOW - 3 * DAY, False),
            FamilyLine(
                "fam_2",
                "Ledger",
                "Safari on iPhone",
                "2001:db8:14::/48",
                NOW - 5 * DAY,
                NOW - 40 * DAY,
                True,
                NOW + 325 * DAY,
            ),
            FamilyLine(
                "fam_3",
                "backup-tool",
                "Python on Linux",
                "192.0.2.0/24",
                NOW - 30 * 3_600,
                NOW - 9 * DAY,
                True,
                NOW + 12 * DAY,
            ),
        ),
        connected=(
            GrantLine(
                "gra_1",
                "Ledger",
                "ledger.example.com",
                ("openid", "profile", "orders:read", "orders:write", "offline_access"),
                NOW - 40 * DAY,
                NOW - 240,
            ),
            GrantLine("gra_2", "backup-tool", "127.0.0.1", ("files:read", "offline_access"), NOW - 9 * DAY),
        ),
    ),
    "account_new": AccountPage(
        csrf="c5Vq",
        account_label="ana@example.com",
        now=NOW,
        families=(),
        connected=(),
        sessions=(SessionLine("ses_1", "Firefox on Linux", "198.51.100.0/24", "", NOW - 30, NOW - 20, current=True),),
    ),
    "password": PasswordPage(csrf="c5Vq", account_label="ana@example.com", min_length=12),
    "password_refused": PasswordPage(
        csrf="c5Vq",
        account_label="ana@example.com",
        min_length=12,
        field="new_password",
        error="The new password has 7 characters. It needs at least 12.",
    ),
    "index": IndexPage(),
    "index_signed_in": IndexPage(account_label="ana@example.com"),
}

BAD: dict[str, Page] = {
    "sign_in": SignInPage(
        csrf='"><b>',
        flow='"><i>',
        client_name=HOSTILE,
        client_host=LONG_HOST,
        login_hint=MARKUP + LONG,
        error=MARKUP,
        wait_seconds=10**9,
        notice=HOSTILE,
    ),
    "consent": ConsentPage(
        csrf='"><b>',
        flow='"><i>',
        client_name=HOSTILE,
        client_host=LONG_HOST,
        client_uri="javascript:alert(1)",
        verified=True,
        account_label=LONG + "@example.com",
        resources=("https://api.example.com/" + LONG, MARKUP),
        scopes=(ScopeLine(LONG, MARKUP), ScopeLine(MARKUP, "", is_new=True), ScopeLine(RTL, LONG)),
        lifetime=HOSTILE,
        offline=True,
        revoke_at="/account",
    ),
    "consent_zalgo": ConsentPage(
        csrf="c",
        flow="f",
        client_name=ZALGO,
        client_host="xn--80ak6aa92e.com",
        account_label="ana@example.com",
        scopes=(ScopeLine("openid", "Know who you are"),),
        lifetime="For up to a year.",
        offline=True,
        revoke_at="/account",
    ),
    "consent_arabic": ConsentPage(
        csrf="c",
        flow="f",
        client_name="دفتر الأستاذ (محاسبة)",
        client_host="ledger.example.com",
        account_label="ana@example.com",
        scopes=(ScopeLine("openid", "Know who you are"),),
        lifetime="For up to a year.",
        offline=True,
        revoke_at="/account",
    ),
    "consent_nameless": ConsentPage(
        csrf="c",
        flow="f",
        client_name="\u202e\u200b\u3164",
        client_host="аррӏе.com",
        account_label="ana@example.com",
        scopes=(),
        lifetime="For up to a year.",
        offline=False,
        revoke_at="/account",
    ),
    "select_account": SelectAccountPage(csrf='"><b>', flow='"><i>', account_label=HOSTILE, client_name=HOSTILE),
    "theft_notice": TheftNoticePage(
        csrf='"><b>',
        flow=None,
        client_name=HOSTILE,
        device_label=HOSTILE,
        ended_at=2**62,
        now=0,
        parties=(Party(HOSTILE, -5, HOSTILE, HOSTILE), Party(MARKUP, 10**13, LONG, MARKUP + FIREFOX)),
    ),
    "error": ErrorPage(title=HOSTILE, what_happened=HOSTILE, what_to_do=MARKUP, error_code=LONG, error_id=LONG),
    "signed_out": SignedOutPage(client_name=HOSTILE, post_logout="javascript:alert(1)//https://x"),
    "sign_out": SignOutPage(csrf='"><b>', request='"><i>', client_name=HOSTILE, account_label=HOSTILE),
    "form_post": FormPostPage(
        action='https://ledger.example.com/cb?x="><script>',
        client_name=HOSTILE,
        fields=(("state", MARKUP + "\u202e\n\tkept"), ('"><b>', LONG)),
    ),
    "account": AccountPage(
        csrf='"><b>',
        account_label=HOSTILE,
        now=NOW,
        notices=(Notice(HOSTILE, "warning"),),
        sessions=(SessionLine('"><b>', HOSTILE, HOSTILE, HOSTILE, NOW + DAY, NOW + 5, current=False),),
        families=(
            FamilyLine('"><b>', HOSTILE, HOSTILE, HOSTILE, NOW, NOW, True, NOW - 5),
            FamilyLine("x", RTL, ZALGO, LONG, NOW, NOW, True),
        ),
        connected=(
            GrantLine('"><b>', HOSTILE, LONG_HOST, (LONG, MARKUP, RTL, *(f"scope:{n}" for n in range(60))), NOW, NOW),
        ),
    ),
    "password": PasswordPage(
        csrf='"><b>', account_label=HOSTILE, min_length=12, error=HOSTILE, field="current_password"
    ),
    "index": IndexPage(account_label=HOSTILE),
}
