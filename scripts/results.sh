#!/usr/bin/env bash
# Writes docs/results/scrub.md and docs/results/corpus.md from measurements made now.
#   scripts/results.sh ASQ_PHI.jsonl PRESIDIO_RESEARCH.jsonl [MTSAMPLES.jsonl.gz]     your copies
# SYNTHEA=FOLDER, a FHIR export, measures the speed as well, which wants an idle machine.
# STRESS_PARTS=dev leaves the unseen halves of the stress sets alone while there is work to do.
set -euo pipefail
asq=$(realpath "$1") sentences=$(realpath "$2") mtsamples=${3:+$(realpath "$3")}
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}

section() {  # title, command as shown, then the command itself
  printf '\n## %s\n\n```console\n$ %s\n```\n\n' "$1" "$2"
  shift 2
  "$@"
}

{
  echo "# The scrubber, measured"
  echo
  echo "Written by \`scripts/results.sh\`; do not edit. What is counted: \`eval/scrub_score.py\`; what"
  echo "Presidio's patterns are: \`eval/scrub_recall.py --help\`. They hold no model, so no names or places."
  echo "Rules and tagger were developed on ASQ-PHI's development half, the development halves of the"
  echo "stress sets and synthetic notes of other seeds: figures on those are optimistic."
  case "${STRESS_PARTS:-unseen3 unseen dev}" in
    *unseen*) echo "Nobody has read the unseen halves; \`unseen3\` was written later, by somebody else." ;;
    *) echo "The unseen halves of the stress sets are not measured here." ;;
  esac
  echo "Measure on your own notes before you rely on the scrubber."
  for part in ${STRESS_PARTS:-unseen3 unseen dev}; do
    section "English stress set, $part half: hard notes, half of them clean (eval/stress/en.md)" \
      "python eval/scrub_recall.py eval/stress/en_$part.jsonl --processes 0" \
      "$python" eval/scrub_recall.py "eval/stress/en_$part.jsonl" --processes 0
  done
  for part in more_dev second_dev third_dev; do
    section "English stress set, notes written later for development, $part (eval/stress/en.md)" \
      "python eval/scrub_recall.py eval/stress/en_$part.jsonl --systems llmsafe --processes 0" \
      "$python" eval/scrub_recall.py "eval/stress/en_$part.jsonl" --systems llmsafe --processes 0
  done
  for part in ${STRESS_PARTS:-unseen3 unseen dev}; do
    section "Chinese stress set, $part half: hard notes, 40 % of them clean (eval/stress/zh.md)" \
      "python eval/scrub_recall.py eval/stress/zh_$part.jsonl --systems llmsafe --processes 0" \
      "$python" eval/scrub_recall.py "eval/stress/zh_$part.jsonl" --systems llmsafe --processes 0
  done
  for part in more_dev second_dev third_dev; do
    section "Chinese stress set, notes written later for development, $part (eval/stress/zh.md)" \
      "python eval/scrub_recall.py eval/stress/zh_$part.jsonl --systems llmsafe --processes 0" \
      "$python" eval/scrub_recall.py "eval/stress/zh_$part.jsonl" --systems llmsafe --processes 0
  done
  section "Chinese test release 10: names, places and sentence frames that nobody developed on" \
    "python eval/scrub_recall.py eval/zh_phi_test10.jsonl --systems llmsafe --processes 0" \
    "$python" eval/scrub_recall.py eval/zh_phi_test10.jsonl --systems llmsafe --processes 0
  section "Chinese test release 10, with its patients' identities as a hospital knows them" \
    "python eval/scrub_recall.py eval/zh_phi_test10.jsonl --known-identifiers eval/zh_phi_test10_identities.csv --systems llmsafe --processes 0" \
    "$python" eval/scrub_recall.py eval/zh_phi_test10.jsonl \
    --known-identifiers eval/zh_phi_test10_identities.csv --systems llmsafe --processes 0
  for release in zh_phi_test{9,8,7,6,5,4,3,2,}; do
    section "Chinese $release, by now development material: its misses were read" \
      "python eval/scrub_recall.py eval/$release.jsonl --systems llmsafe --processes 0" \
      "$python" eval/scrub_recall.py "eval/$release.jsonl" --systems llmsafe --processes 0
  done
  section "ASQ-PHI, development half (525 search queries)" \
    "python eval/scrub_recall.py dev.jsonl" "$python" eval/scrub_recall.py "$asq"
  section "Synthetic notes, 80 patients, with and without known identifiers: names and phrases of the half that the English tagger was not trained on" \
    "python eval/scrub_recall.py --synthetic 80 --seed 4001 --audience public" \
    "$python" eval/scrub_recall.py --synthetic 80 --seed 4001 --audience public
  section "The same of the other half, which it was trained on with other seeds" \
    "python eval/scrub_recall.py --synthetic 80 --seed 4001 --processes 0" \
    "$python" eval/scrub_recall.py --synthetic 80 --seed 4001 --processes 0
  section "presidio-research, 1,500 sentences of general text (no clinical notes, made-up names)" \
    "python eval/scrub_recall.py synth_dataset_v2.jsonl" "$python" eval/scrub_recall.py "$sentences"
  if [ -n "${SYNTHEA:-}" ]; then
    section "Speed: a FHIR export with its patients and practitioners as known identifiers" \
      "python eval/scrub_speed.py synthea --known-identifiers synthea/Patient.000.ndjson synthea/Practitioner.000.ndjson" \
      "$python" eval/scrub_speed.py "$SYNTHEA" \
      --known-identifiers "$SYNTHEA"/Patient.*ndjson "$SYNTHEA"/Practitioner.*ndjson
  fi
} > docs/results/scrub.md
echo "wrote docs/results/scrub.md"
[ -n "$mtsamples" ] || exit 0

{
  echo "# The synthetic corpus beside real reports"
  echo
  echo "Written by \`scripts/results.sh\`; do not edit. Near each other means about equally hard to"
  echo "predict; \`scripts/corpus_stats.py --help\` says what is counted."
  section "MTSamples and synthetic notes, cut to the same number of words" \
    "python scripts/corpus_stats.py --synthetic 800 --reference notes.jsonl.gz" \
    "$python" scripts/corpus_stats.py --synthetic 800 --reference "$mtsamples"
} > docs/results/corpus.md
echo "wrote docs/results/corpus.md"
