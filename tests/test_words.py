"""Names and first sentences use the field's nouns: names that were given up, and phrases that describe instead."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.syntax import parsed

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("assets", "controls", "data_quality", "ml", "orchestration", "reports")
# Name that was given up -> the field's noun.
RETIRED = {
    "advice_again": "advice",
    "again": "recompute",
    "asked": "figures, query",
    "at_the_turn": "repartition",
    "bench": "context",
    "beside": "offload",
    "bill_again": "bill",
    "carbon_say": "carbon_messages",
    "chart_words": "chart_description",
    "clauses": "conformance",
    "desk": "context",
    "dispatch_again": "dispatch",
    "doubts": "blockers",
    "dr_event_again": "dr_event",
    "energy_given": "energy_input",
    "enpi_of_use": "enpi",
    "event_again": "event",
    "experiment_again": "experiment",
    "figure_again": "figure",
    "footprint_again": "footprint",
    "freed": "unconstrained",
    "gather": "queries, load",
    "give_away": "offload",
    "given": "report_input",
    "group_again": "group",
    "group_asker": "group_queries",
    "hours_again": "hours",
    "keep_features": "store_features",
    "kept_uploads": "upload_store",
    "known_area": "covered_area",
    "life": "lifecycle",
    "made_here": "local_build",
    "metered": "meter_verification",
    "moved_words": "change_sentences",
    "moves": "transitions",
    "once": "idempotency",
    "past_day": "day_scenario",
    "pieces": "components",
    "planning_desk": "planning_context",
    "porch": "middleware",
    "project_again": "project",
    "pv_look": "pv_window",
    "relived": "with_state",
    "rows_apart": "subprocess_sql",
    "savings_of": "savings",
    "sensor_standing": "sensor_inputs",
    "settings_shown": "effective_settings",
    "show": "render",
    "sieve": "row_filter",
    "standing": "caveats",
    "stood_in": "sensor_fallback",
    "table_found": "table_facts",
    "take_sources": "fetch_sources",
    "take_weather": "fetch_weather",
    "tell_dagster": "report_to_dagster",
    "template_ask": "template_queries",
    "together": "portfolio_tiles",
    "understood": "set_points",
    "weather_known": "weather_as_of",
    "what_moved": "forecast_change",
    "who_answers": "model_fallback",
    "windows_of_marts": "incremental",
    "wishes": "objective",
}
# Identifier that was given up -> the field's noun.
RETIRED_NAMES = {
    "About": "TariffSource",
    "AboutFiles": "StatedFileFacts",
    "AnchorsApart": "ThreadedAnchors",
    "Around": "CaseContext",
    "AsKnown": "PackSources",
    "Ask": "Context",
    "Asker": "TemplateQueries",
    "Best": "BestModels",
    "Between": "ConfidenceInterval",
    "Door": "PushReceiver",
    "EnergyGiven": "EnergyInput",
    "EventLook": "EventObservation",
    "FoundDevice": "ScannedDevice",
    "GivenWeather": "FixedWeather",
    "GroupAsker": "GroupQueries",
    "Held": "PeriodQuantities",
    "HeldFile": "FileWithReadings",
    "InHand": "WalkedFigures",
    "KeptBenchmark": "StoredBenchmark",
    "KeptBody": "StoredBody",
    "KeptClass": "StoredClass",
    "KeptFile": "BackupFile",
    "KeptHour": "CoveredHour",
    "KeptNumbers": "AnswerFigureIds",
    "KeptOrganisation": "OrganisationVersion",
    "KeptText": "TextVersion",
    "KeptUploads": "UploadStore",
    "Known": "Availability",
    "KnownDay": "StoredFeatureDay",
    "KnownFeature": "StoredFeature",
    "KnownFigures": "FigureLookup",
    "Lane": "PlanRow",
    "Lanes": "DeviceThreads",
    "Left": "BandExclusion",
    "Life": "RevisionLifecycle",
    "Lived": "SiteAccount",
    "Made": "NewProject",
    "MadeAdvice": "PeriodAdvice",
    "MadeBackup": "CompletedBackup",
    "MadeHours": "HourlyInputs",
    "MadeMarts": "MartBuild",
    "MadePack": "WrittenPack",
    "MadeReport": "StoredReport",
    "OnWire": "DeviceCall",
    "Once": "IdempotentActs",
    "OwnDelivery": "InternalDelivery",
    "PackAbout": "PackPage",
    "Pen": "RoundingWriter",
    "PlanAhead": "PlanTimeline",
    "PlantGiven": "StatedPlant",
    "Porch": "AccessMiddleware",
    "PortTaken": "PortInUse",
    "Promised": "CostBound",
    "ReportLife": "ReportState",
    "Shown": "AnsweredAdvice",
    "ShownSetting": "EffectiveSetting",
    "Silent": "ReceiverUnreachable",
    "SiteLook": "SiteObservation",
    "Standing": "EffectiveMode",
    "StandingBill": "AuditedBill",
    "StandingLedger": "CurrentStateLedger",
    "TOLD_AS": "REPORTED_AS",
    "TOLD_A_TICK": "REPORTS_PER_TICK",
    "TableFound": "TableFacts",
    "TakenPrices": "FetchedPrices",
    "TakenWeather": "FetchedWeather",
    "Today": "DayEnergy",
    "Together": "PortfolioSums",
    "Trouble": "DeviceFault",
    "WAY_ON": "REMEDIES",
    "Wanted": "MartFilter",
    "WeatherKnown": "WeatherAsOf",
    "WhenWanted": "OnDemandProcess",
    "Why": "ForecastChange",
    "_Look": "_DeviceReading",
    "_said": "_exclusion",
    "_told": "_tables",
    "against_expected": "energy_of_today",
    "against_project_at": "project_saving_blocker",
    "against_publication": "publication_blockers",
    "against_use": "use_saving_blocker",
    "among_peers": "peer_benchmark",
    "announce": "prefetch",
    "as_known": "pack_sources",
    "as_known_utc": "as_of_or_now",
    "asked_months": "month_spans",
    "asked_sites": "selected_sites",
    "asked_subjects": "selected_subjects",
    "asker_of": "sender_of",
    "beside_peers": "peer_comparison",
    "beside_sites": "site_mapping",
    "bill_again": "scenario_bill",
    "call_again": "call_events",
    "chart_words": "chart_description",
    "close_hand": "close_connection",
    "desk_of": "planning_context",
    "draw_kept": "draw_cached",
    "drawn_again": "recompute_sample",
    "end_by_hand": "end_manual_hold",
    "energy_given": "energy_input",
    "erase_again": "replay_erasures",
    "erased_behind": "erasure_notes",
    "figures_again": "recompute_figures",
    "files_behind": "source_files_of",
    "first_beyond": "first_exceedance",
    "folded_apart": "folded_distinctly",
    "foreseen_house": "perfect_foresight_house",
    "give_away": "offload",
    "given_of": "report_input_of",
    "group_given": "group_report_input",
    "hand_acts": "manual_acts",
    "held_files": "files_with_readings",
    "held_site": "site_file_of",
    "held_tariffs": "tariffs_in_site_file",
    "how_kept": "coverage_sentence",
    "is_told": "shows_live",
    "is_told_where": "writes_file",
    "keep_benchmark": "store_benchmark",
    "keep_body": "store_body",
    "keep_by_hand": "record_requested_plan",
    "keep_fault": "record_site_fault",
    "keep_known": "store_features",
    "keep_loaded": "freeze_loaded_objects",
    "keep_looked": "record_plan_check",
    "keep_mapped": "store_column_map",
    "keep_replaced": "store_replaced_versions",
    "keep_standing": "record_obstacle",
    "keep_text": "store_text",
    "kept_answer": "stored_answer",
    "kept_benchmark": "stored_benchmark",
    "kept_hours": "covered_hours",
    "kept_ids": "store_figures",
    "kept_numbers": "store_answer_figures",
    "kept_texts": "text_versions",
    "kept_while_away": "away_setbacks_of",
    "key_here": "graph_key",
    "known_area": "covered_area",
    "known_before": "expected_before",
    "known_day": "stored_feature_day",
    "known_figures": "figure_lookup",
    "known_pairs": "boundary_pairs",
    "known_rows": "feature_rows_ahead",
    "known_then": "sites_as_of",
    "known_up_to": "complete_up_to",
    "lane_of": "queue_of",
    "lead_by_hand": "lead_manually",
    "led_on": "with_remedies",
    "life_at": "revision_state_at",
    "lives_at": "revision_states_at",
    "load_said": "load_with_warnings",
    "look_undone": "undo_form",
    "looked_back": "ratchet_demands",
    "looks_of": "display_settings",
    "make_marts": "build_site_marts",
    "measures_wanted": "active_measures",
    "modes_and_doubts": "modes_and_faults",
    "most_by_hand": "manual_limit",
    "on_its_way": "active_runs",
    "once_of": "idempotent_acts",
    "open_hand": "open_connection",
    "packs_again": "verify_packs_act",
    "password_again": "confirmed_password",
    "plant_given": "stated_plant",
    "promises_kept": "cost_bounds",
    "readings_behind": "source_readings",
    "recorded_at_now": "next_known_at",
    "say_findings": "report_findings",
    "say_pages": "report_address",
    "sent_by_hand": "manual_command_id",
    "serve_door": "serve_receiver",
    "set_by_hand": "set_manually",
    "settings_seen": "visible_settings",
    "shed_told": "shed_clause",
    "shipped_about": "shipped_source",
    "shown_settings": "effective_settings",
    "shown_wordings": "approved_wordings",
    "site_desk": "edit_record",
    "span_behind": "source_span",
    "spoken_in": "report_language",
    "standing_bill": "audited_bill_json",
    "standing_of_rule": "rule_findings_of",
    "streams_behind": "source_streams",
    "take_prices": "fetch_prices",
    "take_source": "fetch_source",
    "take_weather": "fetch_weather",
    "taken_apart": "contributions_of",
    "tell_all_to_end": "request_stop",
    "tell_project": "add_project_metrics",
    "tell_what_stands": "record_materialisations",
    "today_of": "demo_day",
    "today_sha256": "current_sha256",
    "told_by": "origin_rows",
    "told_data": "pack_data",
    "told_in": "quoted_locale",
    "told_sentences": "recommendation_sentences",
    "trial_told": "trial_summary",
    "trouble_at": "fault_at",
    "untold": "unreported_builds",
    "verify_again": "verify_last_pack",
    "versions_behind": "applicable_factors",
    "versions_today": "current_changes",
    "want": "prefetch",
    "want_in_pack": "prefetch_pack",
    "want_kpis": "prefetch_kpis",
    "wanted_later": "on_demand_processes",
    "wanted_version": "registered_version",
    "was_asked": "has_run_of_day",
    "what_moved": "forecast_change",
    "who_else": "others_with_role",
    "who_gives_roles": "role_givers",
    "with_life": "with_revision_state",
    "word_new": "request_wordings",
    "written_apart": "rewritten_problem",
}
PHRASES = re.compile(
    r"\b(what is asked|(as|was|were) known then|stands? against|(is|are|was|has) told|at the turn|as it was known"
    r"|gives? away|whoever asks|what every handler is given)\b|^(whose|whatever|whoever)\b",
    re.IGNORECASE,
)


def module_names(paths: list[str]) -> list[str]:
    """Modules and folders with a name that was given up, with the noun that stands for it."""
    found = {}
    for path in paths:
        for place, part in enumerate(parts := Path(path).with_suffix("").parts):
            if part in RETIRED:
                found["/".join(parts[: place + 1])] = RETIRED[part]
    return [f"{name}: write {noun}" for name, noun in found.items()]


def identifiers(source: str) -> Iterator[str]:
    """Names of classes, functions, parameters and variables that a source binds."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def first_sentences(source: str) -> Iterator[str]:
    """The first line of each docstring of a module, class or function."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield text.split("\n")[0]


def files() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def test_no_module_has_a_name_that_was_given_up() -> None:
    assert module_names(files()) == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_identifier_is_one_that_was_given_up(room: str) -> None:
    found = {
        f"{name}: {each}: write {RETIRED_NAMES[each]}"
        for name in files()
        if name.startswith(f"{room}/")
        for each in identifiers((ROOT / name).read_text(encoding="utf-8"))
        if each in RETIRED_NAMES
    }
    assert found == set()


@pytest.mark.parametrize("room", ROOMS)
def test_no_first_sentence_describes_what_has_a_noun(room: str) -> None:
    told = [
        f"{name}: {sentence}"
        for name in files()
        if name.startswith(f"{room}/")
        for sentence in first_sentences((ROOT / name).read_text(encoding="utf-8"))
        if PHRASES.search(sentence)
    ]
    assert told == []


def test_what_describes_is_seen() -> None:
    assert module_names(["controls/agent/moves.py", "reports/life/due.py", "reports/figures/query.py"]) == [
        "controls/agent/moves: write transitions",
        "reports/life: write lifecycle",
    ]
    assert set(identifiers("class Bench:\n    x: int = 1\n\n    def put(self, y): z = y\n")) == {
        "Bench", "x", "put", "self", "y", "z",
    }  # fmt: skip
    assert [bool(PHRASES.search(each)) for each in first_sentences('"""What a device is told."""\n\nx = 1\n')] == [True]
