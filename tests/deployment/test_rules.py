"""Prometheus reads its configuration, and every alert does what its text says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
ALERTS = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]


def promtool(programs: Path, *arguments: str | Path) -> str:
    done = subprocess.run(
        [programs / "promtool", *arguments], capture_output=True, text=True, check=False, cwd=PROMETHEUS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_configuration(prometheus_programs: Path) -> None:
    """Configuration and rules are valid for a real promtool."""
    assert "SUCCESS" in promtool(prometheus_programs, "check", "config", "prometheus.yml")


def test_every_alert_fires_when_it_should_and_not_before(prometheus_programs: Path) -> None:
    """The cases of alerts_test.yml hold."""
    assert "SUCCESS" in promtool(prometheus_programs, "test", "rules", "alerts_test.yml")


def test_every_alert_has_a_case() -> None:
    """No alert is untested."""
    cases = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    firing = {
        each["alertname"] for case in cases for each in case["alert_rule_test"] if each.get("exp_alerts")
    }

    assert {rule["alert"] for rule in RULES} == firing


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_runbook(rule: dict[str, dict[str, str]]) -> None:
    """Who is woken finds what to do under a heading that exists."""
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)

    assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


EXAMPLES = sorted((ROOT / "deploy/alertmanager").rglob("*.yml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_alertmanager_takes_every_example(path: Path, alertmanager_programs: Path, tmp_path: Path) -> None:
    """Each is a whole configuration that a real amtool accepts.

    Webhooks and Telegram take their secrets from files since 0.26; for an older amtool they are put in.
    """
    amtool, checked = alertmanager_programs / "amtool", tmp_path / path.name
    version = subprocess.run([amtool, "--version"], capture_output=True, text=True, check=True)
    text = path.read_text()
    if re.search(r"version 0\.(1\d|2[0-5])\.", version.stdout + version.stderr):
        text = re.sub(r"\burl_file: [^,}\s]+", "url: http://localhost/", text)
        text = re.sub(r"bot_token_file: .+", "bot_token: none", text)
    checked.write_text(text)
    done = subprocess.run([amtool, "check-config", checked], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_no_example_holds_a_secret(path: Path) -> None:
    """Passwords, tokens and addresses that are secret are named by file."""
    text = path.read_text()

    assert not re.search(r"^\s*(auth_password|api_url|bot_token|url|password):", text, re.MULTILINE)
    assert "/run/secrets/alertmanager/" in text or path.name == "alertmanager.yml"
