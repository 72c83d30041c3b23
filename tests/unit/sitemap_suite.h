/*
 * sitemap_suite.h - what each file of the suite sitemap-robots-crawler-commons must give. The URLs
 * are those that its own tests name; where those only count, the URLs are the file's <loc>.
 *
 * We differ from its tests in names and not in URLs: a feed's pubDate is a publication date (its
 * tests call it the last modification), and a wrong namespace is read (there: in lenient mode).
 */
#ifndef SENTIER_TEST_SITEMAP_SUITE_H
#define SENTIER_TEST_SITEMAP_SUITE_H

#define SUITE SOURCE_DIR "/../shared/suites/sitemap-robots-crawler-commons/src/test/resources"

#define CATALOG(n, what) "http://www.example.com/catalog?item=" n "&desc=vacation_" what
#define CHILD(code)      "https://example.com/sitemap.jss?portalCode=" code "&lang=en\n"
#define NEWS             "https://shinpaideshou.wordpress.com/2017/04/"
#define BRIDGE           "http://www.hebdenbridgetimes.co.uk/"

static const struct {
    const char *file, *want; /* as on_entry writes it */
    size_t entries;          /* not 0: so many, and want is the end of the last line */
} suite[] = {
    {"sitemaps/atom.xml",
     "http://example.org/2003/12/13/atom03 m1071340202000 \"Atom-Powered Robots Run Amok\"\n", 0},
    {"sitemaps/do-not-visit.txt", "http://www.example.com/do-not-visit-here\n", 0},
    {"sitemaps/sitemap-with-bom.txt",
     "http://www.domain.com/page1.html\nhttp://www.domain.com/page2.html\n", 0},
    {"sitemaps/sitemap.txt", "http://www.domain.com/page1.html\nhttp://www.domain.com/page2.html\n",
     0},
    {"sitemaps/sitemap.badns.xml", "http://www.example.com/1\nhttp://www.example.com/2\n", 0},
    {"sitemaps/sitemap.ns.xml", "http://www.example.com/1\nhttp://www.example.com/2\n", 0},
    {"sitemaps/sitemap.index.xml",
     CHILD("10260") CHILD("2") CHILD("10080") CHILD("10140") CHILD("10340") CHILD("10400")
         CHILD("10430") CHILD("10440") CHILD("10450") CHILD("10460") CHILD("10470") CHILD("10480")
             CHILD("10490") CHILD("10550") CHILD("10570"),
     0},
    {"sitemaps/sitemap.txt.gz",
     "http://www.example.com/\n" CATALOG("12", "hawaii") "\n" CATALOG(
         "73", "new_zealand") "\n" CATALOG("74", "newfoundland") "\n" CATALOG("83", "usa") "\n",
     0},
    {"sitemaps/xmlSitemap.gz",
     "http://www.example.com/ m1104537600000\n" CATALOG("12", "hawaii") "\n" CATALOG(
         "73", "new_zealand") " m1103760000000\n" CATALOG("74",
                                                          "newfoundland") " m1103824815000"
                                                                          "\n" CATALOG("83",
                                                                                       "usa") " m11"
                                                                                              "0116"
                                                                                              "8000"
                                                                                              "000"
                                                                                              "\n",
     0},
    {"sitemaps/extension/hebdenbridgetimes-articles-sitemap.xml",
     BRIDGE "news/local/now-you-see-it-now-you-don-t-it-s-off-the-wall-1-7229940 m1430066875000\n",
     74},
    {"sitemaps/extension/pagemaps-sitemap.xml",
     "http://www.example.com/foo\nhttp://www.example.com/bar\n", 0},
    {"sitemaps/extension/shinpaideshou-news-sitemap.xml",
     NEWS "25/job-opening-reischauer-policy-research-fellow/ p1493114436000 [en] "
          "\"Job Opening: Reischauer Policy Research Fellow\"\n" NEWS
          "24/call-for-papers-nation-gender-and-history-asian-cinemas-in-perspective-2/ "
          "p1493028033000 [en] \"Call for Papers: Nation, Gender and History, Asian Cinemas in "
          "Perspective\"\n" NEWS
          "24/job-opening-lecturer-in-japanese-studies-university-of-leeds/ p1493028010000 [en] "
          "\"Job Opening: Lecturer in Japanese Studies, University of Leeds\"\n",
     0},
    {"sitemaps/extension/sitemap-images.xml",
     "http://www.example.com/images/some_image_landing_page.html\n", 0},
    {"sitemaps/extension/sitemap-links.xml",
     "http://www.example.com/english/\nhttp://www.example.com/deutsch/\n"
     "http://www.example.com/schweiz-deutsch/\n",
     0},
    {"sitemaps/extension/sitemap-mobile.xml",
     "http://www.example.com/mobile-friendly-1/\nhttp://www.example.com/mobile-friendly-2/\n"
     "http://www.example.com/no-mobile/\n",
     0},
    {"sitemaps/extension/sitemap-news.xml",
     "http://www.example.org/business/article55.html p1229990400000 [en] "
     "\"Companies A, B in Merger Talks\"\n"
     "http://www.example.org/empty_news_name.html p1748304000000 [en] "
     "\"Test empty news attributes\"\n",
     0},
    {"sitemaps/extension/sitemap-videos-tvshow.xml", "https://example.org/my-tv-show/23/13/\n", 0},
    {"sitemaps/extension/sitemap-videos.xml",
     "http://www.example.com/videos/some_video_landing_page.html\n"
     "http://www.example.com/videos/some_video_landing_page-2.html\n"
     "http://www.example.com/videos/some_video_landing_page-3.html\n",
     0},
    {"rss/feed.rss",
     "https://www.example.com/blog/post/1 p1252254000000 \"Example entry\"\n"
     "https://www.example.com/guid.html \"&guid& element instead of &link&\"\n"
     "https://www.example.com/foo?q=a&l=en \"XML entity in link content\"\n"
     "https://www.example.com/foo?q=a&l=fr \"CDATA\"\n",
     0},
    {"rss/xmlRss_pubDate.xml",
     "http://www.example.com/article_1 p1483619691000 \"News number 1\"\n"
     "http://www.example.com/article_2 p1483619692000 \"News number 2\"\n"
     "http://www.example.com/article_3 p1483619693000 \"News number 3\"\n"
     "http://www.example.com/article_4 p1483619694000 \"News number 4\"\n"
     "http://www.example.com/article_5 no publication date \"News number 5 incomplete pub date\"\n"
     "http://www.example.com/article_6 \"News number 6 empty pub date\"\n"
     "http://www.example.com/article_7 \"News number 7 missing pub date\"\n",
     0},
};

#endif
